"""PromptSRC: its terms, its teacher, and the average over epochs, in one go and after a stop."""

import pytest
import torch
import torch.nn.functional as F

from dassl.utils.errors import UserError
from tests.support import prompt_run
from tests.unit.trainers.conftest import NAMES
from trainers.parts.averaging import gaussian_weights

FLAT = ("TRAINER.PROMPTSRC.GPA_MEAN", 2, "TRAINER.PROMPTSRC.GPA_STD", 1.5)
TERMS = ("loss_scl_text", "loss_scl_image", "loss_scl_logits")


def values(trainer):
    return {name: tensor.detach().clone() for name, tensor in trainer.model.named_parameters()}


def test_the_loss_is_cross_entropy_and_three_named_terms(shallow, batch):
    report = prompt_run.step(shallow("PromptSRC"), batch.image, batch.label)
    assert set(report) == {"loss", "loss_ce", "acc", *TERMS}
    total = report["loss_ce"] + sum(report[name] for name in TERMS)
    torch.testing.assert_close(report["loss"], total)


@pytest.mark.parametrize("side", ["TEXT", "IMAGE"])
def test_a_weight_of_0_switches_a_distance_off(side, shallow, batch):
    trainer = shallow("PromptSRC", f"TRAINER.PROMPTSRC.{side}_LOSS_WEIGHT", 0)
    report = prompt_run.step(trainer, batch.image, batch.label)
    gone = f"loss_scl_{side.lower()}"
    assert {name for name in TERMS if report[name] == 0} == {gone}


def test_the_teacher_is_built_by_training_alone_and_once(shallow, batch, tmp_path, monkeypatch):
    calls = []
    trainer = shallow("PromptSRC")
    build = trainer.model.teacher_text.__globals__["ensemble_features"]
    monkeypatch.setitem(
        trainer.model.teacher_text.__globals__,
        "ensemble_features",
        lambda *args: calls.append(1) or build(*args),
    )
    prompt_run.logits(trainer, batch.image)
    trainer.save_model(0, str(tmp_path))
    trainer.load_model(str(tmp_path))
    assert not calls
    for _ in range(2):
        prompt_run.step(trainer, batch.image, batch.label)
    assert calls == [1]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_teachers_texts_are_computed_in_float32(precision, shallow):
    text = shallow("PromptSRC", "TRAINER.PROMPTSRC.PREC", precision).model.teacher_text()
    assert text.dtype == torch.float32
    exact = shallow("PromptSRC").model.teacher_text()
    torch.testing.assert_close(text, exact, rtol=2e-2, atol=2e-2)


def test_over_several_tasks_the_divergence_runs_inside_the_images_own(shallow, batch):
    tasks = {"living things": NAMES[:2], "the rest": NAMES[2:]}
    lists = prompt_run.of_tasks(tasks)
    del lists["classnames"]
    trainer = shallow("PromptSRC", **lists)
    rows = prompt_run.label_rows(batch.label, tasks)
    assert torch.isfinite(prompt_run.step(trainer, batch.image, rows)["loss"])
    model = trainer.model
    generator = torch.Generator().manual_seed(3)
    student, teacher = torch.randn(2, 4, 5, generator=generator)
    student.requires_grad_()
    value = model.divergence(student, teacher, batch.label)  # labels 0 3 1 3
    expected = count = 0
    for row, label in enumerate(batch.label):
        own = slice(0, 2) if label < 2 else slice(2, 5)
        p, q = F.log_softmax(teacher[row, own], 0), F.log_softmax(student[row, own], 0)
        expected, count = expected + (p.exp() * (p - q)).sum(), count + len(p)
    torch.testing.assert_close(value, expected / count)
    (gradient,) = torch.autograd.grad(value, student)
    assert torch.isfinite(gradient).all()
    assert (gradient[[0, 2], 2:] == 0).all() and (gradient[[1, 3], :2] == 0).all()


def test_gaussian_weights_sum_to_1_and_survive_a_mean_far_away():
    weights = gaussian_weights(15, 1, 20)
    assert sum(weights) == pytest.approx(1) and max(weights) == weights[14]
    assert weights[14] == pytest.approx(0.398942, abs=1e-6)
    assert gaussian_weights(45, 5, 50)[49] == pytest.approx(0.055964, abs=1e-6)
    assert gaussian_weights(1000, 1, 3)[2] == pytest.approx(1)


@pytest.mark.parametrize(("mean", "std"), [("15", "1"), ("2.5", "0.5")])
def test_mean_and_width_of_the_average_take_whole_and_broken_numbers(mean, std, shallow):
    options = ("TRAINER.PROMPTSRC.GPA_MEAN", mean, "TRAINER.PROMPTSRC.GPA_STD", std)
    trainer = shallow("PromptSRC", *options)
    assert trainer.gpa_weights == gaussian_weights(float(mean), float(std), 5)


def test_a_width_of_0_is_refused(shallow):
    with pytest.raises(UserError, match=r"TRAINER.PROMPTSRC.GPA_STD = 0.0: use 0.01 or more"):
        shallow("PromptSRC", "TRAINER.PROMPTSRC.GPA_STD", 0)


class Killed(Exception):
    """Stands for a run that ends in the middle."""


@pytest.fixture
def run(shallow, batch, tmp_path):
    """Trains three epochs of two batches: run("PromptSRC", folder, stop=2) ends in epoch 2."""

    def call(name, folder, *options, stop=None, seed=1):
        settings = ("OPTIM.MAX_EPOCH", 3, "OPTIM.WARMUP_EPOCH", -1, "TRAIN.CHECKPOINT_FREQ", 1)
        settings += ("OUTPUT_DIR", tmp_path / folder)
        trainer = shallow(name, *FLAT, *settings, *options, seed=seed)
        item = {"img": batch.image, "label": batch.label}
        trainer.train_loader_x = [item, {**item, "label": batch.label.flip(0)}]
        trainer.test_loader = trainer.val_loader = [item]
        trainer.history, trainer.tested = [], []
        end_epoch, test = trainer.end_epoch, trainer.test

        def watched():
            trainer.history.append(values(trainer))
            if trainer.epoch + 1 == stop:
                raise Killed
            end_epoch()

        trainer.end_epoch = watched
        trainer.test = lambda split=None: trainer.tested.append(values(trainer)) or test(split)
        if stop:
            with pytest.raises(Killed):
                trainer.train()
        else:
            trainer.train()
        return trainer

    return call


def saved(trainer, epoch):
    path = f"{trainer.output_dir}/VLPromptLearner/model.pth.tar-{epoch}"
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize("name", ["PromptSRC", "PromptSRCDePT"])
def test_the_last_file_and_the_test_are_the_average_of_all_that_trains(name, run, batch):
    trainer = run(name, "whole")
    weights = gaussian_weights(2, 1.5, 3)
    assert set(trainer.average.sums) == set(trainer.history[0])
    if name.endswith("DePT"):
        assert {"film_lp_img.scale", "linear_probe_proj.weight"} <= set(trainer.average.sums)
    for key, value in values(trainer).items():
        epochs = [epoch[key] for epoch in trainer.history]
        mean = sum(w * e for w, e in zip(weights, epochs, strict=True))
        torch.testing.assert_close(value, mean, rtol=1e-6, atol=1e-7)
        assert not torch.equal(value, epochs[-1]), key
        for epoch in (1, 2):
            assert torch.equal(saved(trainer, epoch)["state_dict"][key], epochs[epoch - 1])
        assert torch.equal(saved(trainer, 3)["state_dict"][key], value)


@pytest.mark.parametrize("name", ["PromptSRC", "PromptSRCDePT"])
def test_a_stopped_run_goes_on_to_the_same_average(name, run):
    whole = run(name, "whole")
    run(name, "stopped", stop=2)
    resumed = run(name, "stopped", seed=9)
    assert len(resumed.history) == 2  # epochs 2 and 3
    for key, value in values(whole).items():
        assert torch.equal(values(resumed)[key], value), key
    again = run(name, "stopped", seed=9)
    assert not again.history
    assert all(torch.equal(values(again)[key], value) for key, value in values(whole).items())


def test_a_checkpoint_without_sums_averages_the_epochs_seen(run, shallow, tmp_path):
    """Such as a published one: the weights of the epochs that are left are brought to sum 1."""
    run("PromptSRC", "first", stop=2)
    folder = tmp_path / "first"
    (folder / "resume.pth.tar").unlink()
    path = folder / "VLPromptLearner" / "model.pth.tar-1"
    content = torch.load(path, weights_only=True)
    del content["extra"]
    torch.save(content, path)
    resumed = run("PromptSRC", "first", seed=9)
    weights = gaussian_weights(2, 1.5, 3)[1:]
    for key, value in values(resumed).items():
        second, third = (epoch[key] for epoch in resumed.history)
        mean = (weights[0] * second + weights[1] * third) / sum(weights)
        torch.testing.assert_close(value, mean, rtol=1e-6, atol=1e-7)


def test_validation_is_of_the_epochs_weights_until_the_last_gives_the_average(run):
    trainer = run("PromptSRC", "best", "TEST.FINAL_MODEL", "best_val")
    average = saved(trainer, 3)["state_dict"]
    best = saved(trainer, trainer.best_epoch)["state_dict"]
    wanted = [*trainer.history[:2], average, best]  # three validations and the test
    for tested, expected in zip(trainer.tested, wanted, strict=True):
        assert all(torch.equal(tested[key], value) for key, value in expected.items())
