"""Reading, transforms and workers give what the published code gives, bit for bit.

The published way is written out: `Image.open(path).convert("RGB")`, torchvision's transforms in
their order, a loader with all workers that were asked for.
"""

import random
import warnings

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from torch.utils.data import DataLoader
from torchvision import transforms as T
from torchvision.transforms import InterpolationMode

from dassl.config import get_cfg_default
from dassl.data import DatasetWrapper
from dassl.data.data_manager import build_data_loader
from dassl.data.datasets import Datum
from dassl.data.transforms import build_transform
from dassl.utils import read_image, set_random_seed

MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
SIZES = [(50, 37), (37, 50), (33, 33), (32, 32), (200, 9), (9, 200), (1, 1), (3, 2), (300, 224)]


def noise(size, mode="RGB", seed=0):
    width, height = size
    channels = len(mode) if mode in ("RGB", "RGBA", "CMYK", "LA") else 1
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    return Image.fromarray(pixels.squeeze(2) if channels == 1 else pixels, mode=mode)


def rotated_by_exif(image, path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    image.save(path, exif=exif)


def wide_pixels(image, path):
    values = np.random.default_rng(0).integers(0, 65536, image.size[::-1]).astype(np.uint16)
    Image.fromarray(values).save(path)


WRITERS = {  # name of the file -> how a picture of random pixels is written to it
    "rgb.jpg": lambda image, path: image.save(path, quality=96, subsampling=0),
    "chroma.jpg": lambda image, path: image.save(path, quality=75, subsampling=2),
    "progressive.jpg": lambda image, path: image.save(path, progressive=True),
    "rotated.jpg": rotated_by_exif,
    "grey.jpg": lambda image, path: image.convert("L").save(path),
    "cmyk.jpg": lambda image, path: image.convert("CMYK").save(path),
    "profile.jpg": lambda image, path: image.save(
        path, icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    ),
    "rgb.png": lambda image, path: image.save(path),
    "one_transparent_colour.png": lambda image, path: image.save(path, transparency=(1, 2, 3)),
    "rgba.png": lambda image, path: noise(image.size, "RGBA").save(path),
    "grey_alpha.png": lambda image, path: noise(image.size, "LA").save(path),
    "palette.png": lambda image, path: image.quantize(17).save(path),
    "two_colours.png": lambda image, path: image.convert("1").save(path),
    "16_bit.png": wide_pixels,
    "palette.gif": lambda image, path: image.quantize(9).save(path),
    "rgb.bmp": lambda image, path: image.save(path),
    "rgb.tif": lambda image, path: image.save(path),
    "rgb.webp": lambda image, path: image.save(path),
    "png_named.jpg": lambda image, path: image.save(path, format="PNG"),
}


def published_read(path):
    return Image.open(path).convert("RGB")


def settings(*chosen, size=32):
    cfg = get_cfg_default()
    cfg.INPUT.SIZE = (size, size)
    cfg.INPUT.INTERPOLATION = "bicubic"
    cfg.INPUT.PIXEL_MEAN, cfg.INPUT.PIXEL_STD = MEAN, STD
    cfg.INPUT.TRANSFORMS = chosen
    cfg.USE_CUDA = False
    return cfg


def published_transform(size, *, is_train):
    if is_train:
        first = [
            T.RandomResizedCrop(size, scale=(0.08, 1.0), interpolation=InterpolationMode.BICUBIC),
            T.RandomHorizontalFlip(),
        ]
    else:
        first = [T.Resize(size, InterpolationMode.BICUBIC), T.CenterCrop(size)]
    return T.Compose([*first, T.ToTensor(), T.Normalize(MEAN, STD)])


@pytest.mark.parametrize("name", WRITERS)
def test_same_pixels_from_any_file(name, tmp_path):
    for size in SIZES:
        path = tmp_path / f"{size[0]}x{size[1]}_{name}"
        WRITERS[name](noise(size), path)
        ours, published = read_image(path), published_read(path)
        assert ours.mode == "RGB" and ours.size == size
        assert ours.tobytes() == published.tobytes(), size


def test_an_image_outlives_its_file(tmp_path):
    path = tmp_path / "a.jpg"
    noise((40, 30)).save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)  # of a file that stays open
        image = read_image(path)
        path.unlink()
        assert image.resize((8, 8)).getpixel((3, 3)) and image.copy().size == (40, 30)


@pytest.mark.parametrize("is_train", [True, False], ids=["train", "test"])
@pytest.mark.parametrize("side", [32, 224])
def test_same_tensors_and_random_states(side, is_train, tmp_path):
    cfg = settings("random_resized_crop", "random_flip", "normalize", size=side)
    ours = build_transform(cfg, is_train=is_train)
    published = published_transform(side, is_train=is_train)
    for name in ("rgb.jpg", "grey.jpg", "palette.png"):
        for size in SIZES:
            path = tmp_path / f"{size[0]}x{size[1]}_{name}"
            WRITERS[name](noise(size), path)
            for seed in range(4):
                set_random_seed(seed)
                expected, after = published(published_read(path)), torch.random.get_rng_state()
                set_random_seed(seed)
                assert torch.equal(ours(read_image(path)), expected), (name, size, seed)
                assert torch.equal(torch.random.get_rng_state(), after)


def test_views_of_one_image_share_no_memory(tmp_path):
    path = tmp_path / "a.png"
    noise((40, 32)).save(path)
    cfg = settings("random_flip", "cutout", "normalize")
    cfg.DATALOADER.K_TRANSFORMS, cfg.DATALOADER.RETURN_IMG0 = 2, True
    transform = build_transform(cfg)
    data = DatasetWrapper(cfg, [Datum(str(path))], transform, is_train=True)
    resized = T.Resize((32, 32), InterpolationMode.BICUBIC)(published_read(path))
    expected = T.Normalize(MEAN, STD)(T.ToTensor()(resized))
    for _ in range(2):  # what is normalised in place must not be the image of the next call
        item = data[0]
        assert torch.equal(item["img0"], expected)
        assert all(view.min() >= -2 and view.max() <= 2.3 for view in item["img"])
        assert len({x.data_ptr() for x in (*item["img"], item["img0"])}) == 3


class Draws(torch.utils.data.Dataset):
    """Stands in for DatasetWrapper: an item is what each generator draws in its worker."""

    def __init__(self, cfg, data_source, transform=None, is_train=False):
        self.data_source = data_source

    def __len__(self):
        return len(self.data_source)

    def __getitem__(self, index):
        drawn = [torch.rand(1).item(), random.random(), np.random.rand()]
        return torch.tensor([index, *drawn], dtype=torch.float64)


@pytest.mark.parametrize(
    ("images", "batch", "is_train", "started"),
    [(1, 4, True, 1), (9, 4, True, 2), (9, 4, False, 3), (12, 4, False, 3), (40, 4, True, 5)],
)
def test_no_worker_without_a_batch_and_the_same_draws(images, batch, is_train, started):
    cfg = settings()
    cfg.DATALOADER.NUM_WORKERS = 5
    sampler = "RandomSampler" if is_train else "SequentialSampler"
    shared = {"data_source": list(range(images)), "dataset_wrapper": Draws}
    ours = build_data_loader(cfg, sampler, batch_size=batch, is_train=is_train, **shared)
    assert ours.num_workers == started
    whole = DataLoader(
        ours.dataset, batch, sampler=ours.sampler, num_workers=5, drop_last=ours.drop_last
    )
    epochs = []
    for loader in (ours, whole):
        set_random_seed(3)
        drawn = [torch.cat(list(loader)) for _ in range(2)]
        epochs.append([*drawn, torch.random.get_rng_state()])
    assert all(torch.equal(a, b) for a, b in zip(*epochs, strict=True))


def test_samplers_of_varying_length_keep_all_workers(tmp_path):
    path = tmp_path / "a.png"
    noise((8, 8)).save(path)
    cfg = settings()
    cfg.DATALOADER.NUM_WORKERS = 5
    items = [Datum(str(path), domain=number % 2) for number in range(8)]
    loader = build_data_loader(cfg, "RandomDomainSampler", items, batch_size=4, n_domain=2)
    assert (loader.num_workers, len(loader)) == (5, 2)
