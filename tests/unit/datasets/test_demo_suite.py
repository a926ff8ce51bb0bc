"""The demo suite: the same pixels everywhere, made once, read as any other dataset."""

import json
import random
import threading

import numpy as np
import pytest
import torch

import clip
from dassl.engine import build_trainer
from dassl.utils import read_image
from dassl.utils.errors import UserError
from datasets.demo import digits, raster, store
from datasets.demo.stream import IntegerStream
from datasets.demo.suite import (
    DemoDigits,
    DemoShapes,
    DemoShapesSketch,
    DemoShapesStriped,
    DemoSuite,
    DemoTextures,
)
from datasets.parts.items import SPLITS
from image_store import default_folder
from tests.support import command, prompt_run
from tests.support.dataset_tree import as_rows, dataset_cfg, read
from train import build_parser, setup_cfg

WEIGHTS = command.PROJECT / "assets" / "demo" / "clip_demo.pt"
SUITE = [DemoShapes, DemoTextures, DemoDigits]
VARIANTS = [DemoShapesSketch, DemoShapesStriped]


@pytest.fixture
def root(demo_root):
    return demo_root


@pytest.mark.parametrize("dataset", [*SUITE, *VARIANTS])
def test_the_pixels_are_those_of_the_repository(root, dataset):
    found = store.digest(root / dataset.dataset_dir, dataset.split_file)
    assert found == json.loads(store.DIGESTS.read_text())[dataset.__name__]


@pytest.mark.parametrize("dataset", SUITE)
def test_base_and_new_have_five_classes_and_sixteen_shots(root, dataset):
    names = []
    for subset in ("base", "new"):
        found = read(root, dataset, shots=16, subsample=subset)
        assert found.num_classes == 5 and len(found.train_x) == 80
        assert {item.label for item in found.test} == set(range(5))
        names += found.classnames
    assert len(set(names)) == 10


def test_digits_are_cut_in_blocks_of_the_file(root):
    found = read(root, DemoDigits)
    assert (len(found.train_x), len(found.val), len(found.test)) == (1078, 179, 540)
    assert found.classnames[:3] == ["zero", "one", "two"]


def test_the_suite_joins_the_three_datasets(root):
    found = read(root, DemoSuite, shots=1)
    assert list(DemoSuite.members.values()) == SUITE
    assert found.taskid2tname == ["shape recognition", "texture recognition", "digit recognition"]
    assert found.num_classes == [10, 10, 10] and len(found.train_x) == 30
    assert len(found.test) == 600 + 600 + 540


@pytest.mark.parametrize("dataset", VARIANTS)
def test_a_variant_is_a_test_set_that_nothing_is_drawn_from(root, dataset):
    found = read(root, dataset, shots=1)
    images = str(root / dataset.dataset_dir / "images")
    assert as_rows(found.train_x, images) == as_rows(found.test, images)
    assert len(found.test) == 60 * found.num_classes and not found.val


@pytest.mark.parametrize(
    ("subsample", "sketch", "striped"),
    [
        ("all", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 4, 5, 7, 9]),
        ("base", [0, 1, 2, 3, 4], [1, 2, 4]),
        ("new", [5, 6, 7, 8, 9], [5, 7, 9]),
    ],
)
def test_base_and_new_of_a_variant_are_halves_of_its_own_classes(root, subsample, sketch, striped):
    names = read(root, DemoShapes).classnames
    for dataset, places in zip(VARIANTS, (sketch, striped), strict=True):
        assert read(root, dataset, subsample=subsample).classnames == [names[k] for k in places]


@pytest.mark.parametrize("method", ["CoOp", "MaPLe"])
def test_dept_scores_a_variant_as_all_shapes_cut_to_its_classes(root, tmp_path, method):
    trained = prompt_run.wander(trainer_of(method, "demo_shapes", root))
    trained.save_model(0, str(tmp_path))
    variant = trainer_of(method, "demo_shapes_striped", root)
    variant.load_model(str(tmp_path))
    image = next(iter(variant.test_loader))["img"][:8]
    expected = prompt_run.logits(trained, image)[:, [1, 2, 4, 5, 7, 9]]
    found = prompt_run.logits(variant, image)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    similarity = variant.model.similarity(variant.model.features(image))
    assert not torch.allclose(found, similarity, atol=0.1)


def trainer_of(method, dataset, root):
    """The DePT variant of a method on a demo dataset, as train.py makes it."""
    words = ["--root", root, "--trainer", f"{method}DePT"]
    words += ["--config-file", f"configs/trainers/{method}/demo.yaml"]
    words += ["--dataset-config-file", f"configs/datasets/{dataset}.yaml", "--backbone", WEIGHTS]
    words += ["USE_CUDA", "False", "DATASET.NUM_SHOTS", "1", "DATALOADER.NUM_WORKERS", "0"]
    return build_trainer(setup_cfg(build_parser().parse_args([str(word) for word in words])))


def test_enlarging_keeps_flat_pictures_flat_and_spans_the_grey_levels():
    assert np.unique(digits.enlarge(np.full((8, 8), 16))).tolist() == [255]
    step = np.repeat([[0, 0, 0, 0, 16, 16, 16, 16]], 8, axis=0)
    row = digits.enlarge(step)[0, :, 0].astype(int)
    assert row[0] == 0 and row[-1] == 255 and (np.diff(row) >= 0).all()


def test_the_stream_gives_its_known_numbers():
    # SplitMix64 from state 0 starts with 0xE220A8397B1DCDAF
    assert IntegerStream(0).integers(1, 1 << 32).tolist() == [0x7B1DCDAF]
    stream = IntegerStream(7)
    first = stream.integers(3, 1000).tolist()
    assert IntegerStream(7).integers(2, 1000).tolist() == first[:2]
    assert {stream.between(2, 4) for _ in range(50)} == {2, 3, 4}


def test_turns_are_exact_rotations():
    assert all(c * c + s * s == h * h for c, s, h in raster.TURNS.values())


def test_an_edge_is_as_wide_as_asked_and_inside():
    inside = np.zeros((128, 128), dtype=bool)
    inside[40:80, 30:90] = True
    line = raster.edge(inside, 4)
    assert line[40:44, 30:90].all() and line[40:80, 30:34].all()
    assert not line[44:76, 34:86].any() and not (line & ~inside).any()


def test_a_polygon_covers_its_area():
    x, y = raster.sample_points()
    corner = 8 * raster.PIXEL
    square = [
        (corner, corner),
        (3 * corner, corner),
        (3 * corner, 3 * corner),
        (corner, 3 * corner),
    ]
    cover = raster.coverage(raster.in_polygon(x, y, square))
    assert (cover[8:24, 8:24] == 16).all() and cover.sum() == 16 * 16 * 16


@pytest.fixture
def few_digits(monkeypatch):
    """DemoDigits of twelve pictures: what is tested is how a folder comes to be."""
    lists = {
        split: [(np.full((32, 32, 3), 20 * label, dtype=np.uint8), label) for label in range(4)]
        for split in SPLITS
    }
    monkeypatch.setattr(digits, "load", lambda: lists)


def test_other_pixels_are_refused_and_leave_no_folder(tmp_path, few_digits):
    with pytest.raises(UserError) as error:
        read(tmp_path, DemoDigits)
    assert str(tmp_path / "demo_digits") in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_the_shots_of_a_run_do_not_depend_on_whether_it_makes_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "digest", lambda *_: "the same")
    monkeypatch.setattr(store, "expected_digest", lambda _: "the same")

    def pictures():
        random.random()  # as libraries do when they are first imported
        yield "train", "square/0.png", 0, "square", np.zeros((4, 4, 3), np.uint8)

    before = random.getstate()
    store.ensure(tmp_path / "made", "split.json", "Made", pictures)
    assert random.getstate() == before


def test_a_folder_without_its_split_file_is_an_error(tmp_path):
    (tmp_path / "demo_digits").mkdir()
    with pytest.raises(UserError, match="delete the folder to make it again"):
        read(tmp_path, DemoDigits)


def test_runs_that_start_together_share_one_folder(tmp_path, few_digits, monkeypatch):
    monkeypatch.setattr(store, "digest", lambda *_: "the same")
    monkeypatch.setattr(store, "expected_digest", lambda _: "the same")
    errors = []

    def run():
        try:
            DemoDigits.make_folder(tmp_path)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [entry.name for entry in tmp_path.iterdir()] == ["demo_digits"]


@pytest.mark.parametrize("below", ["", "below"])
def test_a_root_that_cannot_be_made_is_an_error(tmp_path, below):
    (tmp_path / "file").touch()
    with pytest.raises(UserError) as error:
        read(tmp_path / "file" / below, DemoDigits)
    (line,) = error.value.problems
    assert line.endswith("give another folder by --root or by the variable PROMPTLAB_CACHE")


def test_without_a_root_the_cache_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("PROMPTLAB_CACHE", str(tmp_path / "cache"))
    assert DemoDigits.find_root(dataset_cfg("")) == str(tmp_path / "cache")
    monkeypatch.delenv("PROMPTLAB_CACHE")
    assert default_folder().parts[-2:] == (".cache", "promptlab")


def test_the_demo_clip_names_digits_as_its_readme_says(root):
    model, preprocess = clip.load(str(WEIGHTS), "cpu")
    found = read(root, DemoDigits, subsample="base")
    images = torch.stack([preprocess(read_image(item.impath)) for item in found.test])
    labels = torch.tensor([item.label for item in found.test])
    prompts = [found.template.format(name) for name in found.classnames]
    with torch.no_grad():
        logits, _ = model(images, clip.tokenize(prompts))
    accuracy = 100 * (logits.argmax(dim=1) == labels).float().mean()
    assert accuracy == pytest.approx(58.0, abs=1.0)  # chance is 20
