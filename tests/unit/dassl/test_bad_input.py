"""Mistakes of the user end in one line that names what is wrong."""

import multiprocessing
import warnings
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from dassl.data.datasets import DATASET_REGISTRY, DatasetBase, Datum, build_dataset
from dassl.engine import build_trainer
from dassl.evaluation import build_evaluator
from dassl.optim.lr_scheduler import advance_schedule
from dassl.utils import (
    Registry,
    check_availability,
    check_isfile,
    load_pretrained_weights,
    read_image,
    set_random_seed,
)
from dassl.utils.errors import UserError
from tests.unit.dassl.toy import ToyData, golden_options, make_config, start, write_images

OPTIONS = [*golden_options("log_last_step.txt"), "DATASET.NUM_SHOTS", 2]


@pytest.fixture
def images(tmp_path):
    write_images(tmp_path / "images")
    return tmp_path / "images"


@pytest.fixture
def ended_workers():
    """Of a loader that raised: the garbage collector would wait five seconds for each."""
    yield
    for worker in multiprocessing.active_children():
        worker.terminate()


def one_line(caught):
    text = str(caught.value)
    assert "\n" not in text and "Traceback" not in text, text
    return text


@pytest.mark.parametrize("workers", [0, 1])
def test_broken_image_is_named(workers, images, tmp_path, ended_workers):
    (images / "toy" / "c1" / "12.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    options = [*OPTIONS, "DATALOADER.NUM_WORKERS", workers]
    trainer = start(make_config(images, tmp_path / "out", options))
    with pytest.raises(UserError, match=r"cannot read the image .*c1/12\.png") as caught:
        trainer.test()
    one_line(caught)


@pytest.mark.parametrize("workers", [0, 1])
def test_image_that_vanished_is_named(workers, images, tmp_path, ended_workers):
    options = [*OPTIONS, "DATALOADER.NUM_WORKERS", workers]
    trainer = start(make_config(images, tmp_path / "out", options))
    (images / "toy" / "c1" / "13.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"no image file .*c1/13\.png") as caught:
        trainer.test()
    one_line(caught)


def test_truncated_picture_is_an_error_not_a_half_image(tmp_path):
    path = tmp_path / "a.png"
    Image.effect_noise((64, 64), 80).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"a\.png"):
        read_image(path)


@DATASET_REGISTRY.register(force=True)
class NoTestImages(ToyData):
    @property
    def test(self):
        return []


def test_empty_test_set(images, tmp_path):
    cfg = make_config(images, tmp_path / "out", [*OPTIONS, "DATASET.NAME", "NoTestImages"])
    with pytest.raises(AssertionError, match="NoTestImages: no images for evaluation") as caught:
        build_trainer(cfg)
    one_line(caught)


def test_no_training_images_and_no_file():
    with pytest.raises(ValueError, match="DatasetBase has no training images"):
        DatasetBase(train_x=[])
    with pytest.raises(AssertionError, match=r"no image file 'nowhere\.jpg'"):
        Datum("nowhere.jpg")


@pytest.mark.parametrize(
    ("key", "value", "build", "text"),
    [
        ("TRAINER.NAME", "ToyTrianer", build_trainer, 'did you mean "ToyTrainer"'),
        ("DATASET.NAME", "ToyDate", build_dataset, 'did you mean "ToyData"'),
        ("TEST.EVALUATOR", "Clasification", build_evaluator, 'did you mean "Classification"'),
        ("INPUT.TRANSFORMS", ("random_flop",), build_trainer, "did you mean random_flip"),
        ("INPUT.INTERPOLATION", "cubic", build_trainer, "bilinear, bicubic, nearest"),
        ("DATALOADER.TEST.SAMPLER", "Sequential", build_trainer, "SequentialSampler"),
        ("OPTIM.NAME", "sdg", build_trainer, "did you mean sgd"),
        ("OPTIM.LR", -0.1, build_trainer, r"OPTIM \(NAME sgd\): Invalid learning rate: -0\.1"),
        ("OPTIM.LR", float("inf"), build_trainer, "OPTIM.LR = inf: must be a finite number"),
        ("OPTIM.WEIGHT_DECAY", float("nan"), build_trainer, "OPTIM.WEIGHT_DECAY = nan"),
        ("OPTIM.RMSPROP_ALPHA", 2.0, build_trainer, r"OPTIM.RMSPROP_ALPHA = 2\.0: must be 0 to 1"),
        ("OPTIM.GAMMA", float("nan"), build_trainer, "OPTIM.GAMMA = nan: must be a finite number"),
        ("OPTIM.MAX_EPOCH", -1, build_trainer, "OPTIM.MAX_EPOCH = -1"),
        ("TEST.FINAL_MODEL", "best", build_trainer, "'best': not one of last_step, best_val"),
        ("TEST.SPLIT", "train", build_trainer, "TEST.SPLIT = 'train': not one of val, test"),
        ("RESUME", "/no/such", build_trainer, r"RESUME \(--resume\) = /no/such: no such folder"),
        ("INPUT.SIZE", (16,), build_trainer, r"INPUT\.SIZE = \(16,\): must be \(height, width\)"),
        ("INPUT.PIXEL_STD", [1.0, 0, 1.0], build_trainer, "no 0 in the second"),
        ("DATALOADER.TRAIN_X.BATCH_SIZE", 0, build_trainer, "BATCH_SIZE must be 1 or more"),
        ("DATALOADER.NUM_WORKERS", -1, build_trainer, "NUM_WORKERS 0 or more"),
    ],
)
def test_wrong_options(key, value, build, text, images, tmp_path):
    cfg = make_config(images, tmp_path / "out", [*OPTIONS, key, value])
    with pytest.raises(UserError, match=text) as caught:
        build(cfg)
    one_line(caught)


@pytest.mark.parametrize("seed", [-1, 2**32, 10**30])
def test_seed_out_of_range(seed):
    with pytest.raises(ValueError, match=f"seed {seed}: must be from 0 to 4294967295") as caught:
        set_random_seed(seed)
    one_line(caught)


@pytest.mark.parametrize("schedule", ["cosine", "single_step", "multi_step"])
def test_no_epoch_at_all(schedule, images, tmp_path):
    options = [*OPTIONS, "OPTIM.MAX_EPOCH", 0, "OPTIM.LR_SCHEDULER", schedule]
    trainer = start(make_config(images, tmp_path / "out", options))
    trainer.train()
    advance_schedule(trainer._scheds["linear"], 2)
    assert trainer.test_record.num_images == 15


def test_many_workers_are_used_without_a_warning(images, tmp_path):
    options = [*OPTIONS, "DATALOADER.NUM_WORKERS", 1000]
    with warnings.catch_warnings(record=True) as caught:
        trainer = start(make_config(images, tmp_path / "out", options))
        loader = trainer.train_loader_x
        loader.num_workers = 1000  # as with as many batches
        loader.check_worker_number_rationality()  # torch does so at every epoch
        warnings.warn("This DataLoader is another matter", UserWarning, stacklevel=1)
    assert [str(warning.message)[:30] for warning in caught] == ["This DataLoader is another mat"]


@pytest.mark.parametrize(
    ("key", "value", "step", "text"),
    [
        ("INPUT.RRCROP_SCALE", (1,), "random_resized_crop", r"INPUT\.RRCROP_SCALE = \(1,\)"),
        ("INPUT.RRCROP_SCALE", (2, 1), "random_resized_crop", r"INPUT\.RRCROP_SCALE = \(2, 1\)"),
        ("INPUT.CROP_PADDING", -9, "random_crop", r"INPUT\.CROP_PADDING = -9"),
        ("INPUT.PIXEL_MEAN", ["a", 1, 1], "normalize", "must hold numbers only"),
        (
            "INPUT.COLORJITTER_H",
            0.9,
            "colorjitter",
            r"INPUT, color jitter .*hue=0\.9\): hue values",
        ),
        ("INPUT.GB_K", 4, "gaussian_blur", r"INPUT, gaussian blur \(kernel=4\): Kernel size"),
    ],
)
def test_wrong_numbers_of_transforms(key, value, step, text, images, tmp_path):
    options = [*OPTIONS, "INPUT.TRANSFORMS", (step, "normalize"), key, value]
    with pytest.raises(UserError, match=text) as caught:
        build_trainer(make_config(images, tmp_path / "out", options))
    one_line(caught)


def test_counts_below_one(images, tmp_path):
    sampler = ["DATALOADER.TRAIN_X.SAMPLER", "RandomClassSampler", "DATALOADER.TRAIN_X.N_INS", 0]
    for pairs, text in (
        (sampler, "N_INS = 0: must be 1 or more"),
        (["DATALOADER.K_TRANSFORMS", 0], r"DATALOADER\.K_TRANSFORMS = 0: must be 1 or more"),
        (
            ["DATALOADER.K_TRANSFORMS", 2, "INPUT.TRANSFORMS", ("normalize",)],
            r"K_TRANSFORMS = 2: INPUT\.TRANSFORMS = \['normalize'\] holds no random step",
        ),
    ):
        with pytest.raises(UserError, match=text) as caught:
            build_trainer(make_config(images, tmp_path / "out", [*OPTIONS, *pairs]))
        one_line(caught)


@pytest.mark.parametrize(
    ("precision", "advice"),
    [(None, "OPTIM.WARMUP_EPOCH"), ("fp32", "OPTIM.WARMUP_EPOCH"), ("fp16", "fp32 or bf16")],
)
def test_loss_that_is_not_finite(precision, advice, images, tmp_path):
    """The advice fits the precision: what computes in fp32 is not told to."""
    trainer = start(make_config(images, tmp_path / "out", OPTIONS))
    trainer.precision = SimpleNamespace(name=precision)
    for value in (float("nan"), float("inf")):
        with pytest.raises(FloatingPointError, match="infinite or not a number") as caught:
            trainer.model_backward_and_update(torch.tensor([1.0, value], requires_grad=True))
        assert advice in one_line(caught) and ("fp32" in str(caught.value)) == (precision == "fp16")


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_outputs_that_are_no_numbers_end_a_test(value, images, tmp_path, capsys):
    """The batch is named, and no accuracy printed; -inf beside numbers masks a class."""
    trainer = start(make_config(images, tmp_path / "out", OPTIONS))
    plain, calls = trainer.model_inference, []

    def infer(images):
        outputs = plain(images)
        outputs[:, 1] = -torch.inf
        calls.append(len(outputs))
        if len(calls) == 2:
            outputs[0, 0] = value
        return outputs

    trainer.model_inference = infer
    capsys.readouterr()
    with pytest.raises(FloatingPointError, match=r"first in batch 2 of 3: no accuracy") as caught:
        trainer.test()
    one_line(caught)
    assert "accuracy:" not in capsys.readouterr().out and trainer.test_record is None
    assert len(calls) == 3
    trainer.test()  # masked outputs alone are fine
    assert trainer.test_record.num_images == 15


def test_tensors_of_a_file_that_are_no_numbers_are_named(images, tmp_path):
    trainer = start(make_config(images, tmp_path / "out", OPTIONS))
    trainer.model[1].bias.data[1] = torch.inf
    trainer.save_model(0, str(tmp_path / "out"))
    path = tmp_path / "out" / "linear" / "model.pth.tar-1"
    with pytest.raises(UserError, match=rf"^{path}: 1\.bias: infinite or not a number"):
        trainer.load_model(str(tmp_path / "out"), 1)
    with pytest.raises(UserError, match=r"1\.bias: infinite or not a number"):
        load_pretrained_weights(trainer.model, path)


def test_load_model_names_what_is_there(images, tmp_path):
    cfg = make_config(images, tmp_path / "out", [*OPTIONS, "OPTIM.MAX_EPOCH", 1])
    trainer = start(cfg)
    trainer.train()
    with pytest.raises(FileNotFoundError, match=r"model-best\.pth\.tar: the folder has epochs 1"):
        trainer.load_model(cfg.OUTPUT_DIR)
    with pytest.raises(FileNotFoundError, match=r"tar-7: the folder has epochs 1 \(--load-epoch\)"):
        trainer.load_model(cfg.OUTPUT_DIR, 7)
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        trainer.load_model(str(tmp_path / "elsewhere"), 1)
    for near in (tmp_path, tmp_path / "out" / "linear"):
        with pytest.raises(FileNotFoundError, match=rf"did you mean {tmp_path}/out\?$"):
            trainer.load_model(str(near), 1)
    torch.save({"a": 1}, tmp_path / "out" / "linear" / "model-best.pth.tar")
    with pytest.raises(UserError, match=r"model-best\.pth\.tar is no model of a training run"):
        trainer.load_model(cfg.OUTPUT_DIR)


def test_registry_and_availability():
    registry = Registry("THING")

    @registry.register()
    class A:
        pass

    assert registry.register(A, force=True) is None and registry.registered_names() == ["A"]
    with pytest.raises(KeyError, match=r"class A of .*: a A is already registered by .*; rename"):
        registry.register(A)
    with pytest.raises(KeyError, match="it has A") as caught:
        registry.get("B")
    one_line(caught)
    with pytest.raises(ValueError, match='"ab" is not one of abc, abd'):
        check_availability("ab", ["abc", "abd"])


def test_missing_file_warns(tmp_path, capsys):
    assert not check_isfile(tmp_path / "x")
    assert "No file found at" in capsys.readouterr().out


def test_user_error_holds_its_problems():
    error = UserError(["first", "second"])
    assert error.problems == ["first", "second"] and str(error) == "first\nsecond"
