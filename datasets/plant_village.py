"""PlantVillage: leaves of 14 plants, healthy or with a disease, and backgrounds; 39 classes."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.parts.class_folders import ClassFolders

# folder -> class name, as in SoftCPT's repository
NEW_CNAMES = {
    "Apple___Apple_scab": "apple leaf with scab disease",
    "Apple___Black_rot": "apple leaf with black rot",
    "Apple___Cedar_apple_rust": "apple leaf with cedar apple rust",
    "Apple___healthy": "healthy apple leaf",
    "Background_without_leaves": "background without leaves",
    "Blueberry___healthy": "healthy blueberry leaf",
    "Cherry___Powdery_mildew": "cherry leaf with powdery mildew",
    "Cherry___healthy": "healthy cherry leaf",
    "Corn___Cercospora_leaf_spot Gray_leaf_spot": (
        "corn leaf with cercospora leaf spot or gray leaf spot"
    ),
    "Corn___Common_rust": "corn leaf with common rust",
    "Corn___Northern_Leaf_Blight": "corn leaf with northern leaf blight",
    "Corn___healthy": "healthy corn leaf",
    "Grape___Black_rot": "grape leaf with black rot",
    "Grape___Esca_(Black_Measles)": "grape leaf with black measles",
    "Grape___Leaf_blight_(Isariopsis_Leaf_Spot)": "grape leaf with leaf blight",
    "Grape___healthy": "healthy grape leaf",
    "Orange___Haunglongbing_(Citrus_greening)": "orange leaf with citrus greening disease",
    "Peach___Bacterial_spot": "peach leaf with bacterial spot",
    "Peach___healthy": "healthy peach leaf",
    "Pepper,_bell___Bacterial_spot": "pepper with bacterial spot",
    "Pepper,_bell___healthy": "healthy pepper leaf",
    "Potato___Early_blight": "potato leaf with early blight",
    "Potato___Late_blight": "potato leaf with late blight",
    "Potato___healthy": "healthy potato leaf",
    "Raspberry___healthy": "healthy raspberry leaf",
    "Soybean___healthy": "healthy soybean leaf",
    "Squash___Powdery_mildew": "squash with powdery mildew",
    "Strawberry___Leaf_scorch": "strawberry leaf with scorch disease",
    "Strawberry___healthy": "healthy strawberry leaf",
    "Tomato___Bacterial_spot": "tomato leaf with bacterial spot",
    "Tomato___Early_blight": "tomato leaf with early blight",
    "Tomato___Late_blight": "tomato leaf with late blight",
    "Tomato___Leaf_Mold": "tomato leaf with mold",
    "Tomato___Septoria_leaf_spot": "tomato leaf with septoria leaf spot",
    "Tomato___Spider_mites Two-spotted_spider_mite": (
        "tomato leaf with spider mites or two-spotted spider mite"
    ),
    "Tomato___Target_Spot": "tomato leaf with target spot",
    "Tomato___Tomato_Yellow_Leaf_Curl_Virus": "tomato leaf with tomato yellow leaf curl virus",
    "Tomato___Tomato_mosaic_virus": "tomato leaf with tomato mosaic virus",
    "Tomato___healthy": "healthy tomato leaf",
}


@DATASET_REGISTRY.register()
class PlantVillage(ClassFolders):
    """`PlantVillage/Plant_leave_diseases_dataset_without_augmentation/<class>/`,
    split_dk_PlantVillage.json.
    """

    dataset_dir = "PlantVillage"
    images = "Plant_leave_diseases_dataset_without_augmentation"
    images_url = "https://data.mendeley.com/datasets/tywbtsjrjv/1"
    renamed = NEW_CNAMES
    template = "a photo of a plant leaf with {} disease."
    task_name = "plant leaf disease recognition"
