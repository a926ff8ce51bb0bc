"""`check` on roots and folders that are missing, misnamed or cannot be read."""

import json
import os
from pathlib import Path

import pytest

from datasets.__main__ import run
from datasets.eurosat import EuroSAT
from datasets.oxford_pets import OxfordPets
from tests.support.checked_folders import check, only, publish, put, write_split
from tests.support.dataset_tree import small_lists


@pytest.mark.parametrize(
    ("given", "words"),
    [("nope", "is no folder"), ("file", "is no folder"), ("", "no data folder")],
)
def test_a_root_that_is_no_folder_is_one_line(tmp_path, monkeypatch, capsys, given, words):
    monkeypatch.delenv("DATA", raising=False)
    (tmp_path / "file").touch()
    assert run(["check", "--root", given and str(tmp_path / given)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert words in captured.err
    assert captured.err.count("\n") == 1


def test_the_root_may_come_from_the_environment(pets, monkeypatch, capsys):
    monkeypatch.setenv("DATA", str(pets.parent))
    assert run(["check", "oxford_pets", "--no-images"]) == 0
    assert "1 of 1 dataset is complete" in capsys.readouterr().out


def test_no_processes_are_no_number_of_jobs(tmp_path, capsys):
    assert run(["check", "--root", str(tmp_path), "--jobs", "0"]) == 2
    assert capsys.readouterr().err == "error: --jobs 0: use 1 or more\n"


def test_without_names_the_published_ones_are_checked_and_an_absent_one_is_missing(pets, capsys):
    found = check(capsys, pets.parent)
    assert found.code == 2
    assert len({line.split()[0] for line in found.lines[:-1]}) == 15
    assert len(found.of("missing")) == 14
    assert found.lines[-1].startswith("1 of 15 datasets are complete; missing: ImageNet, Caltech")


def test_an_absent_dataset_is_named_with_its_path_and_its_links(tmp_path, capsys):
    text = only(check(capsys, tmp_path, "dtd"), "missing")
    assert f"no folder {tmp_path}/dtd; images: https://www.robots.ox.ac.uk" in text
    assert "split file: https://drive.google.com" in text
    assert text.endswith(
        f"; or run python -m datasets prepare DescribableTextures --root {tmp_path}, which fetches "
        "what it can"
    )


@pytest.mark.parametrize(
    ("name", "there", "right"),
    [
        ("EuroSAT", "EuroSAT", "eurosat"),
        ("Caltech101", "caltech101", "caltech-101"),
        ("Caltech101", "Caltech-101", "caltech-101"),
        ("Food101", "food101", "food-101"),
        ("StanfordCars", "StanfordCars", "stanford_cars"),
        ("OxfordPets", "oxford-iiit-pet", "oxford_pets"),
        ("OxfordFlowers", "flowers-102", "oxford_flowers"),
        ("FGVCAircraft", "fgvc-aircraft-2013b", "fgvc_aircraft"),
        ("ImageNetSketch", "imagenet_sketch", "imagenet-sketch"),
        ("ImageNetA", "imagenet-a", "imagenet-adversarial"),
        ("ImageNetV2", "ImageNet-V2", "imagenetv2"),
    ],
)
def test_a_folder_of_a_name_that_is_nearly_right_is_to_be_renamed(
    tmp_path, capsys, name, there, right
):
    (tmp_path / there).mkdir()
    text = only(check(capsys, tmp_path, name), "missing")
    assert (
        f"no folder {tmp_path}/{right}; {tmp_path}/{there} is there: rename it to {right}" in text
    )


def test_the_folder_of_another_dataset_is_not_to_be_renamed(tmp_path, capsys):
    for name in ("imagenet", "imagenet-sketch"):
        (tmp_path / name).mkdir()
    assert "rename" not in only(check(capsys, tmp_path, "ImageNetV2"), "missing")


def test_a_root_that_is_the_datasets_own_folder_is_named(pets, capsys):
    text = only(check(capsys, pets, "OxfordPets"), "missing")
    assert f"--root is the dataset's own folder: give {pets.parent}" in text


def test_images_a_folder_too_deep_are_to_be_moved(pets, capsys):
    (pets / "pets").mkdir()
    (pets / "images").rename(pets / "pets" / "images")
    text = only(check(capsys, pets.parent, "OxfordPets"), "missing")
    assert f"{pets}/pets/images is there: move it" in text


@pytest.mark.parametrize("below", ["", "images"])
def test_a_file_in_place_of_a_folder_is_named(tmp_path, monkeypatch, capsys, below):
    publish(monkeypatch, write_split(tmp_path, OxfordPets))
    path = tmp_path / "oxford_pets" / below
    path.rename(tmp_path / "elsewhere")
    path.touch()
    text = only(check(capsys, tmp_path, "OxfordPets"), "missing")
    assert f"{path} is a file; " in text


def test_a_loop_of_links_is_named(pets, capsys):
    (pets / "images").rename(pets / "elsewhere")
    (pets / "images").symlink_to(pets / "images")
    text = only(check(capsys, pets.parent, "OxfordPets"), "missing")
    assert f"{pets}/images is a broken link; " in text


def test_a_loop_of_links_in_place_of_an_image_is_missing(pets, capsys):
    image = pets / "images" / "cat_val_0.jpg"
    image.unlink()
    image.symlink_to(image)
    assert "1 of 40 listed images" in only(check(capsys, pets.parent, "OxfordPets"), "missing")


def test_linked_folders_and_images_are_followed(pets, capsys):
    (pets / "images").rename(pets / "elsewhere")
    (pets / "images").symlink_to(pets / "elsewhere")
    image = pets / "elsewhere" / "cat_val_0.jpg"
    image.rename(pets / "picture")
    image.symlink_to(pets / "picture")
    assert check(capsys, pets.parent, "OxfordPets").code == 0


def test_a_split_file_that_may_not_be_read_is_named(pets, monkeypatch, capsys):
    class Forbidden:
        def __init__(self, *_, **__):
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("datasets.parts.text_lists.open", Forbidden, raising=False)
    text = only(check(capsys, pets.parent, "OxfordPets"), "wrong")
    path = pets / OxfordPets.split_file
    assert text == f"{path} cannot be opened (Permission denied); make it readable"


def test_file_names_of_any_bytes_are_printed_and_found(pets, capsysbinary):
    name = os.fsdecode(b"caf\xe9\n.jpg")
    lists = small_lists()
    lists["train"].append([name, 0, "cat"])
    (pets / "split_zhou_OxfordPets.json").write_text(json.dumps(lists))
    (pets / "images" / name).write_bytes(b"no picture")
    assert run(["check", "--root", str(pets.parent), "OxfordPets"]) == 2
    out = capsysbinary.readouterr().out.decode("ascii")
    (line,) = [line for line in out.splitlines() if " wrong " in line]
    assert "caf\\udce9\\n.jpg (cannot identify image file" in line


def test_paths_with_blanks_and_other_letters_are_well(pets, capsys):
    lists = small_lists()
    lists["train"].append(["fünf Äpfel/日本 1.jpg", 0, "cat"])
    folder = write_split(pets.parent, OxfordPets, lists)
    found = check(capsys, folder.parent, "OxfordPets")
    assert found.code == 0
    assert "all 41 images can be decoded" in found.of("ok")


def test_one_broken_dataset_hides_none_of_the_others(pets, monkeypatch, capsys):
    write_split(pets.parent, EuroSAT)
    monkeypatch.setattr(EuroSAT, "read_lists", lambda self: 1 / 0)
    found = check(capsys, pets.parent, "eurosat", "oxford_pets")
    assert "ZeroDivisionError: division by zero" in only(found, "wrong")
    assert found.lines[-1] == "1 of 2 datasets are complete; wrong: EuroSAT"


def test_json_holds_every_path(pets, capsys):
    for k in range(5):
        (pets / "images" / f"dog_train_{k}.jpg").unlink()
    assert run(["check", "--root", str(pets.parent), "OxfordPets", "--json", "--no-images"]) == 2
    content = json.loads(capsys.readouterr().out)
    assert content["exit_code"] == 2
    assert content["root"] == str(pets.parent)
    assert content["summary"] == "0 of 1 dataset is complete; missing: OxfordPets"
    (dataset,) = content["datasets"]
    assert dataset["dataset"] == "OxfordPets"
    assert Path(dataset["folder"]) == pets
    assert dataset["complete"] is False
    assert dataset["counts"] == {"classes": 4, "train": 20, "val": 12, "test": 8}
    (missing,) = [one for one in dataset["findings"] if one["level"] == "missing"]
    assert missing["paths"] == [f"dog_train_{k}.jpg" for k in range(5)]


def test_what_readers_log_does_not_mix_with_the_findings(pets, capsys):
    content = json.loads((pets / "split_zhou_OxfordPets.json").read_text())
    put(pets / "split_zhou_OxfordPets.json", json.dumps({"made_by": "me", **content}).encode())
    assert run(["check", "--root", str(pets.parent), "OxfordPets", "--json", "--no-images"]) == 0
    json.loads(capsys.readouterr().out)
