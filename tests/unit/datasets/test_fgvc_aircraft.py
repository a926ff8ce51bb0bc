"""FGVC-Aircraft: the official lists."""

import random

import pytest

from dassl.utils.errors import UserError
from datasets.fgvc_aircraft import FGVCAircraft
from datasets.parts.items import SPLITS
from tests.support import dataset_tree
from tests.support.dataset_tree import as_rows
from tests.support.foreign_cache import write_foreign_cache

VARIANTS = ["707-320", "727-200", "A340-300", "F-16A/B", "Model B200"]
COUNTS = {"train": 5, "val": 3, "test": 2}


def official_rows() -> dict[str, list[list]]:
    """Images of every variant, in an order that is not the labels'."""
    rows = {}
    for k, split in enumerate(SPLITS):
        rows[split] = [
            [f"{1000000 * (k + 1) + 100 * i + label:07d}.jpg", label, VARIANTS[label]]
            for i in range(COUNTS[split])
            for label in (2, 0, 4, 3, 1)
        ]
    return rows


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "fgvc_aircraft"
    (path / "images").mkdir(parents=True)
    (path / "variants.txt").write_text("\n".join(VARIANTS) + "\n")
    for split, rows in official_rows().items():
        lines = [f"{image.removesuffix('.jpg')} {name}\n" for image, _, name in rows]
        (path / f"images_variant_{split}.txt").write_text("".join(lines))
        for image, _, _ in rows:
            (path / "images" / image).touch()
    return path


def read(folder, **options):
    return dataset_tree.read(folder.parent, FGVCAircraft, **options)


def rows_of(found) -> dict[str, list[list]]:
    data = {"train": found.train_x, "val": found.val, "test": found.test}
    return {split: as_rows(data[split], found.image_dir) for split in SPLITS}


def drawn(rows, shots, seed):
    """A ten-line version of the published draw: labels by first occurrence, train then val."""
    generator = random.Random(seed)
    chosen = {}
    for split, count in (("train", shots), ("val", min(shots, 4))):
        chosen[split] = []
        for label in dict.fromkeys(label for _, label, _ in rows[split]):
            group = [row for row in rows[split] if row[1] == label]
            chosen[split] += generator.sample(group, count) if len(group) >= count else group
    return chosen


def test_the_lists_are_the_official_ones(folder):
    found = read(folder)
    assert rows_of(found) == official_rows()
    assert found.classnames == VARIANTS
    assert found.template.format("A380") == "a photo of a A380, a type of aircraft."


@pytest.mark.parametrize(("shots", "seed"), [(1, 1), (2, 3), (5, 2)])
def test_few_shots_are_drawn_from_train_then_val(folder, shots, seed):
    found = read(folder, shots=shots, seed=seed)
    expected = drawn(official_rows(), shots, seed)
    assert rows_of(found) == expected | {"test": official_rows()["test"]}


@pytest.mark.parametrize(("subsample", "kept"), [("base", [0, 1, 2]), ("new", [3, 4])])
def test_the_draw_comes_before_the_class_cut(folder, subsample, kept):
    found = read(folder, shots=2, subsample=subsample)
    expected = drawn(official_rows(), 2, 1)["train"]
    assert rows_of(found)["train"] == [
        [image, kept.index(label), name] for image, label, name in expected if label in kept
    ]
    assert found.classnames == [VARIANTS[label] for label in kept]


def test_a_published_cache_is_honoured(folder):
    rows = official_rows()
    lists = {"train": rows["train"][:5], "val": rows["val"][:5]}
    write_foreign_cache(folder, lists, "/home/someone/DATA/fgvc_aircraft/images", shots=1)
    assert rows_of(read(folder, shots=1)) == lists | {"test": rows["test"]}


@pytest.mark.parametrize("name", ["variants.txt", "images_variant_val.txt"])
def test_a_missing_list_is_named_with_its_link(folder, name):
    (folder / name).unlink()
    with pytest.raises(UserError) as error:
        read(folder)
    assert f"no list {folder / name}; get it from https://" in str(error.value)
    assert "fgvc-aircraft-2013b.tar.gz" in str(error.value)


def test_a_missing_folder_is_named_with_its_link(tmp_path):
    with pytest.raises(UserError) as error:
        read(tmp_path / "fgvc_aircraft")
    assert f"no folder {tmp_path / 'fgvc_aircraft'}" in str(error.value)
    assert "fgvc-aircraft-2013b.tar.gz" in str(error.value)


def test_missing_images_are_counted(folder):
    (folder / "images" / "1000002.jpg").unlink()
    with pytest.raises(UserError, match=r"1 of 50 listed images are not in .*: 1000002\.jpg"):
        read(folder)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1025794 Concorde", "same variants: Concorde is in one of them only"),
        ("1025794", "the line '1025794' is no '<key> <name>'"),
        ("1000002 707-320", "1000002 stands there twice"),
    ],
)
def test_a_malformed_list_is_named_with_the_line(folder, line, message):
    path = folder / "images_variant_train.txt"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(UserError, match=message) as error:
        read(folder)
    assert str(path) in str(error.value) and len(error.value.problems) == 1


def test_a_variant_without_images_is_an_error(folder):
    path = folder / "images_variant_test.txt"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "F-16A/B" not in line))
    with pytest.raises(UserError, match="F-16A/B is in one of them only") as error:
        read(folder)
    assert str(path) in str(error.value)


def test_a_list_that_is_no_text_is_an_error(folder):
    (folder / "variants.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"variants\.txt cannot be read as text"):
        read(folder)
