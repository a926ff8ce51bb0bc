"""What `prepare` leaves in a data folder: bad archives, calls that are killed, what was there."""

import contextlib
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from dassl.data.datasets import DATASET_REGISTRY
from datasets import published
from datasets.preparing import preparation
from datasets.preparing.catalogue import Catalogue
from datasets.preparing.command import prepare
from datasets.preparing.options import Options
from tests.support.archives import member, tar_bytes, zip_bytes
from tests.support.published_files import (
    NOWHERE,
    catalogue_of,
    files_of,
    image_paths,
    problems_of,
    read,
    split_file,
    tree,
    write_files,
)

HOSTILE = {
    "imagenet-a.tar upwards": tar_bytes({"imagenet-a/n01498041/1.jpg": b"", "../escaped": b"!"}),
    "imagenet-a.tar absolute": tar_bytes({"imagenet-a/n01498041/1.jpg": b"", "/escaped": b"!"}),
    "imagenet-a.tar link": tar_bytes(
        {"imagenet-a/n01498041/1.jpg": b""}, [member("imagenet-a/l", type=b"2", linkname="/etc")]
    ),
    "imagenet-a.tar zipped": zip_bytes({"imagenet-a/n01498041/1.jpg": b"", "../escaped": b"!"}),
    "imagenet-a.tar cut short": tar_bytes({"imagenet-a/n01498041/1.jpg": bytes(9999)})[:5000],
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_bad_archive_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, what):
    files = {"imagenet-a.tar": HOSTILE[what]}
    given = write_files(tmp_path / "given", files)
    root = tmp_path / "data"
    root.mkdir()
    catalogue = catalogue_of(files, NOWHERE, monkeypatch)
    (line,) = problems_of(["ImageNetA"], Options(root, given), catalogue)
    assert line.startswith(f"ImageNetA: {given / 'imagenet-a.tar'} is ")
    assert set(tree(root)) == {"imagenet-adversarial/classnames.txt"}
    assert [path.name for path in (root / "imagenet-adversarial").iterdir() if path.is_dir()] == []
    assert not list(tmp_path.rglob("escaped*"))


def test_one_bad_archive_does_not_keep_the_next_from_being_unpacked(tmp_path, monkeypatch):
    files = files_of("StanfordCars") | {"cars_train.tgz": b"no archive"}
    given = write_files(tmp_path / "given", files)
    root = tmp_path / "data"
    root.mkdir()
    catalogue = catalogue_of(files, NOWHERE, monkeypatch)
    (line,) = problems_of(["StanfordCars"], Options(root, given), catalogue)
    assert "cars_train.tgz is damaged or no archive" in line
    assert (root / "stanford_cars" / "cars_test" / "1.jpg").is_file()


KILLED = """
import os, signal, sys
from pathlib import Path
from datasets.preparing import unpack
from datasets.preparing.catalogue import Catalogue
from datasets.preparing.command import prepare
from datasets.preparing.options import Options
import datasets

place, seen = unpack.place_of, []
def killing(name, takes):
    seen.append(name)
    if len(seen) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return place(name, takes)
unpack.place_of = killing
root, given = Path(sys.argv[1]), Path(sys.argv[2])
prepare(["FGVCAircraft"], Options(root, given), Catalogue.published())
"""


def test_a_killed_call_leaves_nothing_that_looks_whole_and_the_next_one_completes(tmp_path):
    given = write_files(tmp_path / "given", files_of("FGVCAircraft"))
    root = tmp_path / "data"
    root.mkdir()
    words = [sys.executable, "-c", KILLED, str(root), str(given), "6"]
    assert subprocess.run(words, capture_output=True).returncode == -signal.SIGKILL
    names = [path.name for path in (root / "fgvc_aircraft").iterdir()]
    assert any(name.startswith(".unpacking") for name in names)
    assert all(name.startswith(".") for name in names)
    prepare(["FGVCAircraft"], Options(root, given), Catalogue.published())
    assert len(read(root, "FGVCAircraft").train_x) == 1
    assert not (root / "fgvc_aircraft" / ".unpacking-fgvc-aircraft-2013b.tar.gz").exists()


@pytest.mark.parametrize("moves", [0, 1, 2, 3, 4])
def test_a_call_killed_between_moves_is_completed(tmp_path, moves, monkeypatch):
    given = write_files(tmp_path / "given", files_of("FGVCAircraft"))
    options, catalogue = Options(tmp_path, given), Catalogue.published()
    move, seen = preparation.Preparation.put_in_place, []

    def stopping(self, staged, target):
        if len(seen) == moves:
            raise KeyboardInterrupt
        seen.append(target)
        move(self, staged, target)

    with monkeypatch.context() as patch:
        patch.setattr(preparation.Preparation, "put_in_place", stopping)
        with contextlib.suppress(KeyboardInterrupt):
            prepare(["FGVCAircraft"], options, catalogue)
    assert not (tmp_path / "fgvc_aircraft" / "images").exists()
    prepare(["FGVCAircraft"], options, catalogue)
    assert len(read(tmp_path, "FGVCAircraft").test) == 1


def test_a_file_that_is_there_is_not_replaced(tmp_path):
    given = write_files(tmp_path / "given", files_of("FGVCAircraft"))
    own = b"707-320\n\n"
    write_files(tmp_path / "fgvc_aircraft", {"variants.txt": own})
    prepare(["FGVCAircraft"], Options(tmp_path, given), Catalogue.published())
    assert (tmp_path / "fgvc_aircraft" / "variants.txt").read_bytes() == own


def test_class_names_are_written_once_and_others_are_kept(tmp_path, monkeypatch):
    files = files_of("ImageNetA")
    given = write_files(tmp_path / "given", files)
    catalogue = catalogue_of(files, NOWHERE, monkeypatch)
    prepare(["ImageNetA"], Options(tmp_path, given), catalogue)
    path = tmp_path / "imagenet-adversarial" / "classnames.txt"
    lines = path.read_text().splitlines()
    assert (len(lines), lines[0], lines[999]) == (1000, "n01440764 tench", "n15075141 toilet paper")
    names = dict(line.split(" ", 1) for line in lines)
    expected = [names[wnid] for wnid in published.wnids("ImageNetA")]
    assert read(tmp_path, "ImageNetA").classnames == expected
    path.write_text(path.read_text().replace("tench", "a fish"))
    (line,) = problems_of(["ImageNetA"], Options(tmp_path, given), catalogue)
    assert f"{path} is not the published one; delete it" in line
    assert "tench" not in path.read_text()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("EuroSAT", "EuroSAT"),
        ("Caltech101", "caltech101"),
        ("Food101", "food101"),
        ("StanfordCars", "StanfordCars"),
        ("OxfordFlowers", "flowers-102"),
    ],
)
def test_a_folder_under_another_name_gets_a_link(tmp_path, name, wrong, monkeypatch, capsys):
    reader, files = DATASET_REGISTRY.get(name), files_of(name)
    given = write_files(tmp_path / "given", files)
    catalogue = catalogue_of(files, NOWHERE, monkeypatch)
    root = tmp_path / "data"
    root.mkdir()
    prepare([name], Options(root, given), catalogue)
    (root / reader.dataset_dir).rename(root / wrong)
    prepare([name], Options(root), catalogue)
    assert os.readlink(root / reader.dataset_dir) == wrong
    assert f"{root / reader.dataset_dir} becomes a symbolic link to {wrong}" in (
        capsys.readouterr().out
    )
    assert len(read(root, name).test) == 2


def test_a_folder_of_another_name_without_the_images_gets_no_link(tmp_path, capsys):
    (tmp_path / "EuroSAT" / "arrow").mkdir(parents=True)
    prepare(["EuroSAT"], Options(tmp_path, dry_run=True), Catalogue.published())
    assert "link" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "unpacked"),
    [
        ("Food101", "food-101/images"),
        ("DescribableTextures", "dtd/images"),
        ("EuroSAT", "EuroSAT_RGB"),
    ],
)
def test_images_unpacked_a_folder_too_deep_get_a_link(tmp_path, name, unpacked, monkeypatch):
    reader, files = DATASET_REGISTRY.get(name), split_file(name)
    folder = tmp_path / reader.dataset_dir
    for path in image_paths(name):
        (folder / unpacked / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / unpacked / path).touch()
    write_files(folder, files)
    prepare([name], Options(tmp_path), catalogue_of(files, NOWHERE, monkeypatch))
    assert os.readlink(folder / reader.images) == unpacked
    assert len(read(tmp_path, name).test) == 2


def test_images_that_the_split_file_does_not_name_are_told(tmp_path, monkeypatch):
    files = files_of("OxfordPets")
    write_files(tmp_path / "oxford_pets" / "images", {"n02085620-Chihuahua_1.jpg": b""})
    write_files(tmp_path / "oxford_pets", split_file("OxfordPets"))
    catalogue = catalogue_of(files, NOWHERE, monkeypatch)
    (line,) = problems_of(["OxfordPets"], Options(tmp_path), catalogue)
    assert "6 of 6 listed images are not in" in line
    assert "found there: n02085620-Chihuahua_1.jpg" in line


def test_everything_there_needs_no_write_access(tmp_path, monkeypatch):
    files = files_of("EuroSAT")
    given = write_files(tmp_path / "given", files)
    root = tmp_path / "data"
    root.mkdir()
    catalogue = catalogue_of(files, NOWHERE, monkeypatch)
    prepare(["EuroSAT"], Options(root, given), catalogue)

    def refused(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    for name in ("open", "mkdir", "rename", "symlink_to"):
        monkeypatch.setattr(type(root), name, refused)
    prepare(["EuroSAT"], Options(root, given), catalogue)


def test_a_root_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    given = write_files(tmp_path / "given", files_of("FGVCAircraft"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fgvc_aircraft").touch()
    options = Options(tmp_path / "data", given)
    (line,) = problems_of(["FGVCAircraft"], options, Catalogue.published())
    assert line.startswith(f"FGVCAircraft: {tmp_path / 'data' / 'fgvc_aircraft'}")


def test_calls_at_the_same_time_wait_for_each_other(tmp_path, monkeypatch):
    files = files_of("EuroSAT") | files_of("FGVCAircraft")
    given = write_files(tmp_path / "given", files)
    options, catalogue = Options(tmp_path, given), catalogue_of(files, NOWHERE, monkeypatch)
    with ThreadPoolExecutor(4) as pool:
        names = ["EuroSAT", "FGVCAircraft"]
        list(pool.map(lambda _: prepare(names, options, catalogue), range(4)))
    assert len(read(tmp_path, "EuroSAT").test) == 2
    assert len(read(tmp_path, "FGVCAircraft").test) == 1
    assert not list(tmp_path.rglob(".unpacking*"))


def test_an_empty_folder_is_filled_and_one_with_something_hidden_is_named(tmp_path, monkeypatch):
    files = files_of("EuroSAT")
    given = write_files(tmp_path / "given", files)
    options, catalogue = Options(tmp_path, given), catalogue_of(files, NOWHERE, monkeypatch)
    write_files(tmp_path / "eurosat" / "2750", {".DS_Store": b"of the user"})
    (line,) = problems_of(["EuroSAT"], options, catalogue)
    assert line == f"EuroSAT: {tmp_path / 'eurosat' / '2750'}: Directory not empty"
    (tmp_path / "eurosat" / "2750" / ".DS_Store").unlink()
    prepare(["EuroSAT"], options, catalogue)
    assert len(read(tmp_path, "EuroSAT").test) == 2
