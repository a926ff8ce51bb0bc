"""`prepare --dry-run`: it tells everything and does nothing."""

import os

from datasets.preparing.catalogue import Catalogue
from datasets.preparing.command import prepare
from datasets.preparing.options import Options
from tests.support.published_files import (
    NOWHERE,
    catalogue_of,
    files_of,
    problems_of,
    split_file,
    tree,
    write_files,
)


def test_a_dry_run_tells_everything_and_does_nothing(tmp_path, monkeypatch, capsys):
    files = files_of("OxfordPets")
    given = write_files(tmp_path / "given", {"images.tar.gz": files["images.tar.gz"]})
    root = tmp_path / "data"
    (root / "caltech101" / "101_ObjectCategories" / "Faces").mkdir(parents=True)
    catalogue = catalogue_of(files, NOWHERE, monkeypatch)
    prepare(["OxfordPets", "Caltech101"], Options(root, given, dry_run=True), catalogue)
    images, split = (root / "oxford_pets" / n for n in ("images", "split_zhou_OxfordPets.json"))
    out = capsys.readouterr().out
    assert (
        f"OxfordPets: would do: {given / 'images.tar.gz'} becomes {images} if its MD5 is right"
        in out
    )
    link = f"{NOWHERE}/splits/split_zhou_OxfordPets.json"
    assert f"OxfordPets: would do: {link} is downloaded and becomes {split}\n" in out
    assert f"would do: {root / 'caltech-101'} becomes a symbolic link to caltech101\n" in out
    assert "Caltech101: 101_ObjectCategories: there\n" in out
    assert tree(root) == {} and not (root / "oxford_pets").exists()
    assert not os.path.lexists(root / "caltech-101")


def test_a_dry_run_tells_which_variants_are_downloaded(tmp_path, capsys):
    names = ["ImageNetV2", "ImageNetSketch", "ImageNetA", "ImageNetR"]
    options = Options(tmp_path, dry_run=True)
    (line,) = problems_of(names, options, Catalogue.published())
    assert line.startswith(f"ImageNetSketch: no {tmp_path / 'imagenet-sketch' / 'images'}; get ")
    out = capsys.readouterr().out.splitlines()
    berkeley = "https://people.eecs.berkeley.edu/~hendrycks"
    for name, link, images in [
        (
            "ImageNetV2",
            "https://huggingface.co/datasets/vaishaal/ImageNetV2/resolve/main/"
            "imagenetv2-matched-frequency.tar.gz",
            "imagenetv2/imagenetv2-matched-frequency-format-val",
        ),
        ("ImageNetA", f"{berkeley}/imagenet-a.tar", "imagenet-adversarial/imagenet-a"),
        ("ImageNetR", f"{berkeley}/imagenet-r.tar", "imagenet-rendition/imagenet-r"),
    ]:
        line = f"{name}: would do: {link} is downloaded and becomes {tmp_path / images}"
        assert line in out
    assert not list(tmp_path.iterdir())


def test_a_dry_run_names_what_will_be_missing(tmp_path):
    options = Options(tmp_path, dry_run=True)
    lines = problems_of(["UCF101"], options, Catalogue.published())
    assert len(lines) == 1 and "get UCF-101-midframes.zip from" in lines[0]


def test_a_dry_run_takes_a_link_to_be_made_for_made(tmp_path, monkeypatch, capsys):
    write_files(tmp_path / "food-101" / "food-101" / "images" / "apple_pie", {"1.jpg": b""})
    write_files(tmp_path / "food-101", split_file("Food101"))
    catalogue = catalogue_of(files_of("Food101"), NOWHERE, monkeypatch)
    prepare(["Food101"], Options(tmp_path, dry_run=True), catalogue)
    out = capsys.readouterr().out
    assert "images becomes a symbolic link to food-101/images" in out
    assert "downloaded" not in out
