"""EuroSAT: ten kinds of land use in satellite pictures."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets import published
from datasets.parts.split_file_reader import PublishedSplit

NEW_CNAMES = published.folder_names("EuroSAT")


@DATASET_REGISTRY.register()
class EuroSAT(PublishedSplit):
    """`eurosat/2750/<class>/`, split_zhou_EuroSAT.json; 13,500 / 5,400 / 8,100 images."""

    dataset_dir = "eurosat"
    images = "2750"
    split_file = "split_zhou_EuroSAT.json"
    split_url = "https://drive.google.com/file/d/1Ip7yaCWFi0eaOFUGga0lUdVi_DDQth1o/view?usp=sharing"
    images_url = "http://madm.dfki.de/files/sentinel/EuroSAT.zip"
    renamed = NEW_CNAMES
    template = "a centered satellite photo of {}."
    task_name = "satellite land use recognition"
