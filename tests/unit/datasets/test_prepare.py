"""`prepare` on small archives in the published forms, against a server on this machine."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from dassl.data.datasets import DATASET_REGISTRY
from dassl.utils.errors import UserError
from datasets import published
from datasets.checking.names import PUBLISHED
from datasets.preparing import preparation
from datasets.preparing.catalogue import Catalogue
from datasets.preparing.command import prepare
from datasets.preparing.preparation import Options
from tests.support import dataset_tree
from tests.support.archives import member, tar_bytes, write, zip_bytes
from tests.support.file_server import serving
from tests.support.published_files import (
    SPLIT_IMAGES,
    catalogue_of,
    files_of,
    image_paths,
    split_file,
    write_files,
)

NOWHERE = "http://127.0.0.1:9"  # nobody answers there
DOWNLOADED = ("Caltech101", "OxfordPets", "OxfordFlowers", "DescribableTextures", "EuroSAT")


def tree(folder):
    """Every file below a folder, but locks."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def read(root, name):
    return dataset_tree.read(root, DATASET_REGISTRY.get(name))


def served(files):
    """Content of a server: split files lie in a folder of their own."""
    return {f"/splits/{n}" if n.startswith("split_") else f"/{n}": b for n, b in files.items()}


def lines_of(call, *args):
    with pytest.raises(UserError) as caught:
        call(*args)
    return caught.value.problems


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name != "ImageNet"])
def test_fetched_archives_become_a_dataset_that_its_reader_reads(tmp_path, name, monkeypatch):
    files = files_of(name)
    given = write_files(tmp_path / "given", files)
    root = tmp_path / "data"
    root.mkdir()
    catalogue = catalogue_of(files, NOWHERE, monkeypatch)
    prepare([name], Options(root, given), catalogue)
    found = read(root, name)
    assert len(found.test) == {"FGVCAircraft": 1}.get(name, len(found.test)) > 0
    if name in SPLIT_IMAGES:
        folder, images = root / found.dataset_dir, DATASET_REGISTRY.get(name).images
        assert {path for path in tree(folder / images)} == set(image_paths(name))
    assert tree(given) == files
    assert not [path for path in root.rglob("*") if path.name.startswith(".unpacking")]
    before = tree(root)
    prepare([name], Options(root), catalogue)  # nothing is left to do: no archive is needed
    assert tree(root) == before


@pytest.mark.parametrize("name", DOWNLOADED)
def test_what_has_a_link_and_a_checksum_is_downloaded(tmp_path, name, monkeypatch, capsys):
    files = files_of(name)
    with serving(served(files)) as server:
        prepare([name], Options(tmp_path), catalogue_of(files, server.url, monkeypatch))
        prepare([name], Options(tmp_path), catalogue_of(files, server.url, monkeypatch))
    assert sorted(path for path, _ in server.requests) == sorted(served(files))
    assert len(read(tmp_path, name).test) == 2
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"check with: python -m datasets check --root {tmp_path} {name}"


def test_a_download_that_broke_off_goes_on(tmp_path, monkeypatch):
    files = files_of("OxfordPets")
    part = tmp_path / "downloads" / "oxford_pets" / "images.tar.gz.part"
    write_files(part.parent, {part.name: files["images.tar.gz"][:100]})
    with serving(served(files), cut_after=[50, 10]) as server:
        prepare(["OxfordPets"], Options(tmp_path), catalogue_of(files, server.url, monkeypatch))
    asked = [header for path, header in server.requests if path == "/images.tar.gz"]
    assert asked == ["bytes=100-", "bytes=150-", "bytes=160-"]
    assert len(read(tmp_path, "OxfordPets").train_x) == 2


def test_a_download_with_another_checksum_is_not_used(tmp_path, monkeypatch):
    files = files_of("OxfordPets")
    wrong = served(files) | {"/images.tar.gz": tar_bytes({"images/other.jpg": b""})}
    with serving(wrong) as server:
        catalogue = catalogue_of(files, server.url, monkeypatch)
        lines = lines_of(prepare, ["OxfordPets"], Options(tmp_path), catalogue)
    assert "/images.tar.gz: the MD5 of the download is not" in lines[0]
    assert lines[1].startswith(f"OxfordPets: no {tmp_path}/oxford_pets/images; get images.tar.gz")
    assert not (tmp_path / "oxford_pets" / "images").exists()


def test_a_link_that_is_gone_says_where_else_to_get_it(tmp_path, monkeypatch):
    with serving(served(split_file("OxfordPets"))) as server:
        catalogue = catalogue_of(files_of("OxfordPets"), server.url, monkeypatch)
        lines = lines_of(prepare, ["OxfordPets"], Options(tmp_path), catalogue)
    assert "download failed: HTTP 404" in lines[0]
    assert lines[1].endswith(
        "get images.tar.gz from https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz "
        "and give its folder by --from"
    )
    assert (tmp_path / "oxford_pets" / "split_zhou_OxfordPets.json").is_file()


def test_a_fetched_file_with_another_checksum_is_named_and_left_as_it_is(tmp_path, monkeypatch):
    files = files_of("SUN397")
    given = write_files(tmp_path / "given", files)
    other = tar_bytes({"SUN397/a/abbey/sun_1.jpg": b""}, mode="w:gz")
    (given / "SUN397.tar.gz").write_bytes(other)
    root = tmp_path / "data"
    root.mkdir()
    catalogue = catalogue_of(files, NOWHERE, monkeypatch)
    md5 = catalogue.table["SUN397"][0]["files"][0]["md5"]
    lines = lines_of(prepare, ["SUN397"], Options(root, given), catalogue)
    assert lines[0].startswith(f"SUN397: {given / 'SUN397.tar.gz'}: its MD5 is ")
    assert lines[0].endswith(f"that of the published file {md5}; not used, fetch it again")
    assert (given / "SUN397.tar.gz").read_bytes() == other
    assert not (root / "sun397" / "SUN397").exists()


def test_a_fetched_file_with_another_checksum_is_replaced_by_a_download(
    tmp_path, monkeypatch, capsys
):
    files = files_of("OxfordFlowers")
    given = write_files(tmp_path / "given", {"102flowers.tgz": b"a page that says: log in"})
    root = tmp_path / "data"
    root.mkdir()
    with serving(served(files)) as server:
        catalogue = catalogue_of(files, server.url, monkeypatch)
        prepare(["OxfordFlowers"], Options(root, given), catalogue)
    assert f"{given / '102flowers.tgz'}: its MD5 is" in capsys.readouterr().out
    assert len(read(root, "OxfordFlowers").test) == 2


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "StanfordCars",
            "cars_train; get cars_train.tgz from https://github.com/pytorch/vision/issues/7545 "
            "(the published link is reported dead) and give its folder by --from",
        ),
        (
            "ImageNet",
            "images/train; get ILSVRC2012_img_train.tar from https://image-net.org/challenges/"
            "LSVRC/2012/2012-downloads.php (the page asks for a login) and give its folder by "
            "--from",
        ),
        (
            "ImageNetSketch",
            "images; get ImageNet-Sketch.zip or imagenet-sketch.zip from https://github.com/"
            "HaohanWang/ImageNet-Sketch (nobody publishes a checksum of it, so it is not "
            "downloaded for you) and give its folder by --from",
        ),
        (
            "PlantVillage",
            "Plant_leave_diseases_dataset_without_augmentation; get the images from "
            "https://data.mendeley.com/datasets/tywbtsjrjv/1",
        ),
        ("Fashion20", "images; get the images from wherever you have them from: they were never"),
    ],
)
def test_what_is_not_downloaded_comes_with_path_file_page_and_reason(tmp_path, name, line):
    reader = DATASET_REGISTRY.get(name)
    catalogue = Catalogue(Catalogue.published().table, NOWHERE)
    lines = lines_of(prepare, [name], Options(tmp_path), catalogue)
    assert lines[0].startswith(f"{name}: no {tmp_path / reader.dataset_dir}/{line}")


def test_every_missing_thing_of_every_dataset_has_its_line(tmp_path, capsys):
    names = ["UCF101", "ImageNetA", "ImageNetR"]
    catalogue = Catalogue(Catalogue.published().table, NOWHERE)
    lines = lines_of(prepare, names, Options(tmp_path), catalogue)
    assert [line.partition(":")[0] for line in lines] == [
        *["UCF101"] * 3,  # images; the split file cannot be fetched, and is missing
        "ImageNetA",
        "ImageNetR",
    ]
    assert capsys.readouterr().out.splitlines()[-1].endswith(f"{tmp_path} {' '.join(names)}")


@pytest.mark.parametrize("found", ["imagenet-a (1).tar", "Imagenet-A.tar", "imagenet-a.tar.part"])
def test_a_name_that_is_nearly_the_published_one_is_pointed_at(tmp_path, found):
    given = write_files(tmp_path / "given", {found: b"", "imagenet-r.tar": b""})
    (line,) = lines_of(prepare, ["ImageNetA"], Options(tmp_path, given), Catalogue.published())
    assert line.endswith(f"; {given / found} is there: rename it to imagenet-a.tar if it is that")


def test_the_archive_of_another_dataset_is_not_pointed_at(tmp_path):
    given = write_files(tmp_path / "given", {"imagenet-r.tar": b""})
    (line,) = lines_of(prepare, ["ImageNetA"], Options(tmp_path, given), Catalogue.published())
    assert "is there" not in line


def test_files_of_one_name_lie_in_folders_of_their_datasets(tmp_path, monkeypatch):
    files = files_of("OxfordPets")
    write_files(tmp_path / "given", {"images.tar.gz": b"of something else"})
    write_files(tmp_path / "given" / "oxford_pets", files)
    root = tmp_path / "data"
    root.mkdir()
    catalogue = catalogue_of(files, NOWHERE, monkeypatch)
    prepare(["OxfordPets"], Options(root, tmp_path / "given"), catalogue)
    assert len(read(root, "OxfordPets").test) == 2


def test_archives_in_the_datasets_own_folder_are_found(tmp_path, monkeypatch):
    files = files_of("OxfordFlowers")
    write_files(tmp_path / "oxford_flowers", files)
    prepare(["OxfordFlowers"], Options(tmp_path), catalogue_of(files, NOWHERE, monkeypatch))
    assert len(read(tmp_path, "OxfordFlowers").test) == 2


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
def test_a_bad_archive_is_one_line_and_leaves_nothing(tmp_path, what):
    given = write_files(tmp_path / "given", {"imagenet-a.tar": HOSTILE[what]})
    root = tmp_path / "data"
    root.mkdir()
    (line,) = lines_of(prepare, ["ImageNetA"], Options(root, given), Catalogue.published())
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
    (line,) = lines_of(prepare, ["StanfordCars"], Options(root, given), catalogue)
    assert "cars_train.tgz is damaged or no archive" in line
    assert (root / "stanford_cars" / "cars_test" / "1.jpg").is_file()


KILLED = """
import os, signal, sys
from pathlib import Path
from datasets.preparing import unpack
from datasets.preparing.catalogue import Catalogue
from datasets.preparing.command import prepare
from datasets.preparing.preparation import Options
import datasets

place, seen = unpack._place, []
def killing(name, takes):
    seen.append(name)
    if len(seen) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return place(name, takes)
unpack._place = killing
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
    move, seen = preparation.Preparation._move, []

    def stopping(self, staged, target):
        if len(seen) == moves:
            raise KeyboardInterrupt
        seen.append(target)
        move(self, staged, target)

    with monkeypatch.context() as patch:
        patch.setattr(preparation.Preparation, "_move", stopping)
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


def test_class_names_are_written_once_and_others_are_kept(tmp_path, capsys):
    given = write_files(tmp_path / "given", files_of("ImageNetA"))
    prepare(["ImageNetA"], Options(tmp_path, given), Catalogue.published())
    path = tmp_path / "imagenet-adversarial" / "classnames.txt"
    lines = path.read_text().splitlines()
    assert (len(lines), lines[0], lines[999]) == (1000, "n01440764 tench", "n15075141 toilet paper")
    names = dict(line.split(" ", 1) for line in lines)
    expected = [names[wnid] for wnid in published.wnids("ImageNetA")]
    assert read(tmp_path, "ImageNetA").classnames == expected
    path.write_text(path.read_text().replace("tench", "a fish"))
    prepare(["ImageNetA"], Options(tmp_path, given), Catalogue.published())
    assert "tench" not in path.read_text()
    assert f"{path} is not the published one; delete it" in capsys.readouterr().out


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
    (line,) = lines_of(prepare, ["OxfordPets"], Options(tmp_path), catalogue)
    assert "6 of 6 listed images are not in" in line
    assert "found there: n02085620-Chihuahua_1.jpg" in line


def test_a_dry_run_tells_everything_and_does_nothing(tmp_path, monkeypatch, capsys):
    files = files_of("OxfordPets")
    given = write_files(tmp_path / "given", {"images.tar.gz": files["images.tar.gz"]})
    root = tmp_path / "data"
    (root / "caltech101" / "101_ObjectCategories" / "Faces").mkdir(parents=True)
    catalogue = catalogue_of(files, NOWHERE, monkeypatch)
    prepare(["OxfordPets", "Caltech101"], Options(root, given, dry_run=True), catalogue)
    images, split = (root / "oxford_pets" / n for n in ("images", "split_zhou_OxfordPets.json"))
    out = capsys.readouterr().out
    assert f"OxfordPets: would do: {given / 'images.tar.gz'} becomes {images}\n" in out
    link = f"{NOWHERE}/splits/split_zhou_OxfordPets.json"
    assert f"OxfordPets: would do: {link} is downloaded and becomes {split}\n" in out
    assert f"would do: {root / 'caltech-101'} becomes a symbolic link to caltech101\n" in out
    assert tree(root) == {} and not (root / "oxford_pets").exists()
    assert not os.path.lexists(root / "caltech-101")


def test_a_dry_run_names_what_will_be_missing(tmp_path):
    options = Options(tmp_path, dry_run=True)
    lines = lines_of(prepare, ["UCF101"], options, Catalogue.published())
    assert len(lines) == 1 and "get UCF-101-midframes.zip from" in lines[0]


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
    (line,) = lines_of(prepare, ["FGVCAircraft"], options, Catalogue.published())
    assert line.startswith(f"FGVCAircraft: {tmp_path / 'data' / 'fgvc_aircraft'}")


def test_other_archives_of_the_same_images_do(tmp_path, monkeypatch):
    files = split_file("EuroSAT")
    given = write_files(tmp_path / "given", files)
    images = {f"EuroSAT_RGB/{path}": b"" for path in image_paths("EuroSAT")}
    write(given / "EuroSAT_RGB.zip", images)
    root = tmp_path / "data"
    root.mkdir()
    prepare(["EuroSAT"], Options(root, given), catalogue_of(files, NOWHERE, monkeypatch))
    assert len(read(root, "EuroSAT").val) == 2
