"""What `prepare` says of a folder that is there and is not as it should be."""

import shutil

import pytest

from dassl.data.datasets import DATASET_REGISTRY
from datasets.preparing.catalogue import Catalogue
from datasets.preparing.command import prepare
from datasets.preparing.options import Options
from tests.support.published_files import (
    NOWHERE,
    catalogue_of,
    files_of,
    image_paths,
    problems_of,
    tree,
    write_files,
)


def test_a_folder_that_lacks_images_is_told_and_comes_back_when_deleted(tmp_path, monkeypatch):
    files = files_of("OxfordPets")
    given = write_files(tmp_path / "given", files)
    options, catalogue = Options(tmp_path, given), catalogue_of(files, NOWHERE, monkeypatch)
    prepare(["OxfordPets"], options, catalogue)
    folder = tmp_path / "oxford_pets" / "images"
    (folder / "Abyssinian_2.jpg").unlink()
    (missing,) = problems_of(["OxfordPets"], options, catalogue)
    assert "1 of 6 listed images are not in" in missing
    assert missing.endswith("; unpack the published images again")
    shutil.rmtree(folder)
    prepare(["OxfordPets"], options, catalogue)
    assert set(tree(folder)) == set(image_paths("OxfordPets"))


def test_a_folder_without_archive_is_not_to_be_deleted(tmp_path, monkeypatch):
    given = write_files(tmp_path / "given", files_of("FGVCAircraft"))
    catalogue = catalogue_of({}, NOWHERE, monkeypatch)
    prepare(["FGVCAircraft"], Options(tmp_path, given), catalogue)
    (tmp_path / "fgvc_aircraft" / "images" / "01.jpg").unlink()
    (line,) = problems_of(["FGVCAircraft"], Options(tmp_path), catalogue)
    assert "1 of 3 listed images are not in" in line


def test_a_reader_of_another_kind_has_the_last_word(tmp_path):
    write_files(tmp_path / "fashion20" / "images", {"1.jpg": b""})
    (line,) = problems_of(["Fashion20"], Options(tmp_path), Catalogue.published())
    assert line.startswith(f"Fashion20: no list {tmp_path}/fashion20/task_info.csv; ")


@pytest.mark.parametrize("name", ["ImageNetA", "ImageNetV2"])
@pytest.mark.parametrize(("place", "change"), [(0, "n0 x"), (3, "n01484850 shark")])
def test_other_class_names_than_the_published_are_a_fault(
    tmp_path, monkeypatch, name, place, change
):
    files = files_of(name)
    given = write_files(tmp_path / "given", files)
    options, catalogue = Options(tmp_path, given), catalogue_of(files, NOWHERE, monkeypatch)
    prepare([name], options, catalogue)
    path = tmp_path / DATASET_REGISTRY.get(name).dataset_dir / "classnames.txt"
    whole = path.read_text()
    lines = whole.splitlines()
    path.write_text("\n".join([*lines[:place], change, *lines[place + 1 :]]))
    (line,) = problems_of([name], options, catalogue)
    assert line == (
        f"{name}: {path} is not the published one; delete it and run this again, which writes that"
    )
    path.unlink()
    prepare([name], options, catalogue)
    assert path.read_text() == whole


def test_the_order_of_class_names_counts_where_folders_are_places(tmp_path, monkeypatch):
    for name in ("ImageNetA", "ImageNetV2"):
        files = files_of(name)
        given = write_files(tmp_path / "given", files)
        options, catalogue = Options(tmp_path, given), catalogue_of(files, NOWHERE, monkeypatch)
        prepare([name], options, catalogue)
        path = tmp_path / DATASET_REGISTRY.get(name).dataset_dir / "classnames.txt"
        path.write_text("\n".join(reversed(path.read_text().splitlines())), encoding="utf-8-sig")
        if name == "ImageNetA":
            prepare([name], options, catalogue)
        else:
            (line,) = problems_of([name], options, catalogue)
            assert "classnames.txt is not the published one" in line
