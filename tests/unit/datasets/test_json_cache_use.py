"""Few-shot caches as readers use them: which one, and when it does not fit."""

import json
import random

import pytest

from dassl.utils.errors import UserError
from datasets.fgvc_aircraft import FGVCAircraft
from datasets.oxford_pets import OxfordPets
from tests.support.dataset_tree import small_lists, write_tree
from tests.support.foreign_cache import write_foreign_cache
from tests.support.kept_draws import NAME, SHOTS, change, kept_cfg, message_of, read, rows_of


@pytest.fixture
def folder(tmp_path):
    return write_tree(tmp_path / "data", OxfordPets, small_lists())


@pytest.fixture
def output(tmp_path):
    return tmp_path / "output"


def test_a_draw_is_written_on_request_only(folder, output):
    expected = rows_of(read(folder, output, save=False))
    assert not (folder / "split_fewshot").exists()
    assert rows_of(read(folder, output)) == expected
    content = json.loads((folder / NAME).read_text())
    assert {split: content[split] for split in ("train", "val")} == expected
    assert content["dataset"] == "OxfordPets"
    assert not output.exists()


def test_base_and_new_classes_share_the_draw_of_all(folder):
    base, new = (rows_of(read(folder, subsample=half))["train"] for half in ("base", "new"))
    paths = [row[0] for row in json.loads((folder / NAME).read_text())["train"]]
    assert [row[0] for row in base + new] == paths


def test_without_a_seed_nothing_is_written_or_read(folder, output, capsys):
    read(folder, output, seed=-1)
    assert not (folder / "split_fewshot").exists() and not output.exists()
    assert "SAVE_FEWSHOT writes nothing without a seed" in capsys.readouterr().out
    (folder / "split_fewshot").mkdir()
    (folder / "split_fewshot" / f"shot_{SHOTS}-seed_-1.json").write_text("broken")
    read(folder, output, seed=-1)


def test_a_run_with_a_cache_has_the_random_numbers_of_the_run_that_wrote_it(folder):
    read(folder)
    expected = random.random()
    read(folder, save=False)
    assert random.random() == expected


def test_what_is_written_is_the_draw_of_the_seed_whatever_was_drawn_before(folder):
    expected = rows_of(read(folder, save=False))
    random.seed(99)
    assert rows_of(OxfordPets(kept_cfg(folder.parent))) == expected
    assert rows_of(read(folder, save=False)) == expected


def test_a_moved_folder_keeps_its_draw(folder, tmp_path):
    expected = rows_of(read(folder))
    change(folder / NAME, val=[])  # shows that the cache is used
    moved = tmp_path / "eine andere Größe"
    folder.parent.rename(moved)
    found = read(moved / folder.name)
    assert rows_of(found) == {"train": expected["train"], "val": []}
    assert found.train_x[0].impath.startswith(str(moved))


def test_a_published_cache_comes_first_and_a_differing_one_of_ours_is_named_once(folder, capsys):
    rows = rows_of(read(folder))
    published = write_foreign_cache(folder, rows, "/d/oxford_pets/images", shots=SHOTS)
    assert rows_of(read(folder)) == rows
    assert "Warning" not in capsys.readouterr().out
    rows["train"][:2] = [[f"cat_train_{i}.jpg", 0, "cat"] for i in (0, 1)]
    write_foreign_cache(folder, rows, "/d/oxford_pets/images", shots=SHOTS)
    for damage in (False, True):
        if damage:
            (folder / NAME).write_text("{")
        assert rows_of(read(folder)) == rows
        warnings = [line for line in capsys.readouterr().out.splitlines() if "Warning" in line]
        assert len(warnings) == 1
        assert f"{published} is used, not {folder / NAME}, which holds another" in warnings[0]


def test_a_cache_that_was_edited_is_used_with_a_warning(folder, capsys):
    rows = rows_of(read(folder))
    rows["train"][0], unused = rows["train"][1], rows["train"][0]
    change(folder / NAME, **rows)
    found = rows_of(read(folder))
    assert found == rows and unused not in found["train"]
    assert "holds other images than the split file" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({"dataset": "EuroSAT"}, 'has "EuroSAT" as dataset'),
        ({"shots": 4}, "has 4 as shots, not 2"),
        ({"split_sha256": "0"}, "was drawn from other lists than there are now"),
        ({"train": [["cat_train_0.jpg", 0, "cat"]]}, "lacks the class dog (label 1)"),
        ({"val": [["cat_val_0.jpg", 5, "cat"]]}, "alone has the class cat (label 5)"),
        ({"val": [["cat_val_0.jpg", 1, "dog"]]}, "cat_val_0.jpg in the class dog (label 1), where"),
        ({"val": [["cat_test_0.jpg", 0, "cat"]]}, "1 images that are for testing, as cat_test_0"),
        ({"train": [["no.jpg", 0, "cat\n" * 999]]}, "lacks the class cat"),
        ({"val": [["no.jpg", 7, "cat\n" * 999]]}, "has the class cat cat cat"),
        ({"val": [["no\n" * 999, 0, "cat"]]}, "no no no"),
        ({"val": [["no.jpg", 0, "cat"]]}, "1 of the images are not in"),
        ({"val": [["../no.jpg", 0, "cat"]]}, "is no [relative path"),
    ],
)
def test_a_cache_that_does_not_fit_is_named_and_not_used(folder, entries, expected):
    read(folder)
    change(folder / NAME, **entries)
    message = message_of(folder)
    assert expected in message
    assert str(folder / NAME) in message and "delete it to draw again" in message
    assert "\n" not in message and len(message) < 2 * len(str(folder)) + 400


def test_a_changed_split_file_is_noticed(folder):
    read(folder)
    split = folder / OxfordPets.split_file
    split.write_text(split.read_text() + " ")
    assert "was drawn from other lists than there are now" in message_of(folder)


def test_half_a_cache_is_never_used(folder):
    read(folder)
    path = folder / NAME
    path.write_bytes(path.read_bytes()[:-20])
    assert "cannot be read as JSON" in message_of(folder)


def test_the_draw_of_official_lists_is_tied_to_them(tmp_path):
    folder = tmp_path / "fgvc_aircraft"
    (folder / "images").mkdir(parents=True)
    (folder / "variants.txt").write_text("707-320\nAn-12\n")
    for start, split in enumerate(("train", "val", "test")):
        lines = [f"{start}{i} {'An-12' if i % 2 else '707-320'}\n" for i in range(8)]
        (folder / f"images_variant_{split}.txt").write_text("".join(lines))
        for line in lines:
            (folder / "images" / f"{line.split()[0]}.jpg").touch()
    expected = rows_of(read(folder, dataset=FGVCAircraft))
    assert rows_of(read(folder, dataset=FGVCAircraft)) == expected
    path = folder / "images_variant_val.txt"
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))
    with pytest.raises(UserError, match="drawn from other lists"):
        read(folder, dataset=FGVCAircraft)
