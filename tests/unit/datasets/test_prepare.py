"""`prepare` on small archives in the published forms, fetched or from a server on this machine."""

import pytest

from dassl.data.datasets import DATASET_REGISTRY
from datasets.parts.names import PUBLISHED
from datasets.preparing.catalogue import Catalogue
from datasets.preparing.command import prepare
from datasets.preparing.options import Options
from downloads import ALGORITHMS
from tests.support.archives import tar_bytes, write
from tests.support.file_server import serving
from tests.support.published_files import (
    NOWHERE,
    SPLIT_IMAGES,
    catalogue_of,
    files_of,
    image_paths,
    problems_of,
    read,
    served,
    split_file,
    tree,
    write_files,
)

DOWNLOADED = {  # number of test images in the small archive
    "Caltech101": 2,
    "OxfordPets": 2,
    "OxfordFlowers": 2,
    "DescribableTextures": 2,
    "EuroSAT": 2,
    "ImageNetV2": 1000,
    "ImageNetA": 200,
    "ImageNetR": 200,
}


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name != "ImageNet"])
def test_fetched_archives_become_a_dataset_that_its_reader_reads(tmp_path, name, monkeypatch):
    files = files_of(name)
    given = write_files(tmp_path / "given", files)
    root = tmp_path / "data"
    root.mkdir()
    catalogue = catalogue_of(files, NOWHERE, monkeypatch)
    prepare([name], Options(root, given), catalogue)
    found = read(root, name)
    assert found.test
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
    assert len(read(tmp_path, name).test) == DOWNLOADED[name]
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
        lines = problems_of(["OxfordPets"], Options(tmp_path), catalogue)
    assert "/images.tar.gz: the MD5 of the download is not" in lines[0]
    assert lines[1].startswith(f"OxfordPets: no {tmp_path}/oxford_pets/images; get images.tar.gz")
    assert not (tmp_path / "oxford_pets" / "images").exists()


def test_a_link_that_is_gone_says_where_else_to_get_it(tmp_path, monkeypatch):
    with serving(served(split_file("OxfordPets"))) as server:
        catalogue = catalogue_of(files_of("OxfordPets"), server.url, monkeypatch)
        lines = problems_of(["OxfordPets"], Options(tmp_path), catalogue)
    assert "download failed: HTTP 404" in lines[0]
    assert lines[1].endswith(
        "get images.tar.gz from https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz "
        "and give its folder by --from"
    )
    assert (tmp_path / "oxford_pets" / "split_zhou_OxfordPets.json").is_file()


@pytest.mark.parametrize(
    ("name", "file", "algorithm"),
    [
        ("SUN397", "SUN397.tar.gz", "MD5"),
        ("StanfordCars", "cars_train.tgz", "SHA-256"),
        ("ImageNetSketch", "ImageNet-Sketch.zip", "SHA-256"),
    ],
)
def test_a_fetched_file_with_another_checksum_is_named_and_left_as_it_is(
    tmp_path, monkeypatch, name, file, algorithm
):
    files, reader = files_of(name), DATASET_REGISTRY.get(name)
    given = write_files(tmp_path / "given", files)
    other = tar_bytes({f"{reader.images}/sun_1.jpg": b""}, mode="w:gz")
    (given / file).write_bytes(other)
    root = tmp_path / "data"
    root.mkdir()
    catalogue = catalogue_of(files, NOWHERE, monkeypatch)
    (checksum,) = [c for c in map(catalogue.table[name][0]["files"][0].get, ALGORITHMS) if c]
    lines = problems_of([name], Options(root, given), catalogue)
    assert len(lines) == 2 and f"get {file}" in lines[1]
    assert lines[0].startswith(f"{name}: {given / file}: its {algorithm} is ")
    assert lines[0].endswith(f", that of the published file {checksum}; not used: fetch it again")
    assert (given / file).read_bytes() == other
    assert not (root / reader.dataset_dir / next(iter(catalogue.table[name][0]["takes"]))).exists()


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
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "its MD5 is" in line]
    assert line.startswith(f"OxfordFlowers: {given / '102flowers.tgz'}: its MD5 is")
    assert line.endswith("; not used: fetch it again")
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
            "HaohanWang/ImageNet-Sketch (its link on Google Drive wants a confirmation in the "
            "browser) and give its folder by --from",
        ),
        (
            "FGVCAircraft",
            "images; get fgvc-aircraft-2013b.tar.gz from https://www.robots.ox.ac.uk/~vgg/data/"
            "fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz (its folder data is fgvc_aircraft) "
            "(nobody publishes a checksum of it, so it is not downloaded for you) and give its "
            "folder by --from",
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
    lines = problems_of([name], Options(tmp_path), catalogue)
    assert lines[0].startswith(f"{name}: no {tmp_path / reader.dataset_dir}/{line}")


def test_the_table_says_why_a_file_with_a_checksum_is_not_downloaded():
    for name, entries in Catalogue.published().table.items():
        for entry in entries:
            files = entry["files"]
            if ALGORITHMS.keys() & set().union(*files) and not any("url" in file for file in files):
                assert entry.get("note"), name


def test_every_missing_thing_of_every_dataset_has_its_line(tmp_path, capsys):
    names = ["UCF101", "FGVCAircraft", "ImageNetSketch"]
    catalogue = Catalogue(Catalogue.published().table, NOWHERE)
    lines = problems_of(names, Options(tmp_path), catalogue)
    assert [line.partition(":")[0] for line in lines] == [
        *["UCF101"] * 3,  # images; the split file cannot be fetched, and is missing
        "FGVCAircraft",
        "ImageNetSketch",
    ]
    assert capsys.readouterr().out.splitlines()[-1].endswith(f"{tmp_path} {' '.join(names)}")


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


def test_other_archives_of_the_same_images_do(tmp_path, monkeypatch):
    files = split_file("EuroSAT")
    given = write_files(tmp_path / "given", files)
    images = {f"EuroSAT_RGB/{path}": b"" for path in image_paths("EuroSAT")}
    write(given / "EuroSAT_RGB.zip", images)
    root = tmp_path / "data"
    root.mkdir()
    prepare(["EuroSAT"], Options(root, given), catalogue_of(files, NOWHERE, monkeypatch))
    assert len(read(root, "EuroSAT").val) == 2
