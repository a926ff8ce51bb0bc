"""What a method saves is what it reads back, buffers among it, and all of it is finite."""

import pytest
import torch
from torch import nn

from dassl.engine import TRAINER_REGISTRY, resume_state
from dassl.utils.errors import BadFileError
from tests.support import prompt_run
from tests.unit.trainers.softcpt_runs import NODE, SMALL, TASKS, words
from trainers.coop import CoOp, CoOpModel
from trainers.parts.checkpoint import saved_tensors
from trainers.parts.dept import dept_variant


class WithNormModel(CoOpModel):
    """CoOp with a batch normalisation of image features and a count of its own."""

    def build(self):
        super().build()
        learner = self.prompt_learner
        learner.norm = nn.BatchNorm1d(self.clip.visual.output_dim)
        learner.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
        learner.register_buffer("seen", torch.tensor(0))
        learner.register_buffer("scratch", torch.zeros(3), persistent=False)

    def adapt_image(self, image_features):
        if self.prompt_learner.training:
            self.prompt_learner.seen += len(image_features)
        return self.prompt_learner.norm(image_features.float())


class WithNorm(CoOp):
    model_class = WithNormModel


TOYS = {"WithNorm": WithNorm, "WithNormDePT": dept_variant(WithNorm)}
FOLDERS = {"WithNorm": "prompt_learner", "WithNormDePT": "PromptLearner"}


@pytest.fixture
def build(make, monkeypatch):
    """build(name, *options, seed=1): a toy in the place of CoOp or CoOpDePT."""
    for name, toy in TOYS.items():
        monkeypatch.setitem(TRAINER_REGISTRY._objects, name.replace("WithNorm", "CoOp"), toy)
    plain = ("OPTIM.WARMUP_EPOCH", -1)
    return lambda name, *more, **seed: make(name.replace("WithNorm", "CoOp"), *plain, *more, **seed)


def trained(build, name, batch, steps=2):
    trainer = build(name)
    for number in range(steps):
        prompt_run.step(trainer, batch.image, batch.label, batch_idx=number)
    return trainer


def assert_same(first, second):
    theirs = second.model.state_dict()
    for key, value in first.model.state_dict().items():
        assert torch.equal(value, theirs[key]), key


@pytest.mark.parametrize("name", TOYS)
def test_the_file_holds_what_is_read_back(name, build, batch, tmp_path):
    trainer = trained(build, name, batch)
    trainer.save_model(0, str(tmp_path))
    path = tmp_path / FOLDERS[name] / "model.pth.tar-1"
    saved = torch.load(path, weights_only=True)["state_dict"]
    (module,) = trainer._models.values()
    assert set(saved) == set(saved_tensors(module))
    assert {key.rpartition(".")[2] for key in saved} >= {"running_mean", "mask", "seen"}
    assert not any("scratch" in key or "token_" in key for key in saved)

    loaded = build(name, seed=9)
    loaded.load_model(str(tmp_path), epoch=1)
    assert_same(trainer, loaded)
    assert loaded.model.prompt_learner.seen == 8
    torch.testing.assert_close(
        prompt_run.logits(loaded, batch.image), prompt_run.logits(trainer, batch.image)
    )


@pytest.mark.parametrize("whole", [True, False], ids=["resume.pth.tar", "model.pth.tar"])
@pytest.mark.parametrize("name", TOYS)
def test_buffers_go_on_in_a_resumed_run(name, whole, build, batch, tmp_path):
    trainer = trained(build, name, batch)
    trainer.output_dir = str(tmp_path)
    if whole:
        resume_state.save_resume_state(trainer, 1)
    else:
        trainer.save_model(0, str(tmp_path))
    resumed = build(name, seed=9)
    assert resumed.resume_model_if_exist(str(tmp_path)) == 1
    assert_same(trainer, resumed)
    started = build(name, "MODEL.INIT_WEIGHTS", tmp_path, seed=9) if not whole else resumed
    assert_same(trainer, started)


@pytest.mark.parametrize("name", TOYS)
def test_tensors_that_are_no_numbers_are_named(name, build, batch, tmp_path):
    trainer = trained(build, name, batch, steps=0)
    trainer.save_model(0, str(tmp_path))
    trainer.output_dir = str(tmp_path)
    path = tmp_path / FOLDERS[name] / "model.pth.tar-1"
    content = torch.load(path, weights_only=True)
    (key,) = (key for key in content["state_dict"] if key.endswith("ctx"))
    content["state_dict"][key][0, 0] = torch.nan
    torch.save(content, path)
    with pytest.raises(BadFileError, match=rf"{path}: .*ctx: infinite or not a number"):
        build(name).load_model(str(tmp_path), epoch=1)
    with pytest.raises(BadFileError, match="infinite or not a number"):
        build(name, "MODEL.INIT_WEIGHTS", path)
    trainer.model.prompt_learner.ctx.data[0, 0] = torch.inf
    resume_state.save_resume_state(trainer, 1)
    with pytest.raises(BadFileError, match=r"resume\.pth\.tar: .*ctx: infinite"):
        build(name).resume_model_if_exist(str(tmp_path))


def test_a_run_of_several_folders_starts_from_all_of_them(make, tmp_path):
    """From the run's folder, or from one of the files."""

    def softcpt(*options, seed):
        tasks = prompt_run.of_tasks(TASKS)
        return make("SoftCPT", *words(NODE, SMALL), *options, seed=seed, **tasks)

    first = softcpt(seed=1)
    first.save_model(0, str(tmp_path))
    for place in (tmp_path, tmp_path / "prompt_gen" / "model.pth.tar-1"):
        assert_same(first, softcpt("MODEL.INIT_WEIGHTS", place, seed=5))


@pytest.mark.parametrize("name", ["CoOpDePT", "CoOp"])
def test_training_starts_from_tensors_of_other_classes(name, make, tmp_path, capsys):
    """DePT's head alone starts anew: of another number of classes, and of as many other ones."""
    first = make(name, seed=1)
    first.save_model(0, str(tmp_path))
    for names in (["tulip", "oak"], ["tulip", "oak", "fern", "rose", "lily"]):
        second = make(name, "MODEL.INIT_WEIGHTS", tmp_path, names=names, seed=5)
        ctx = [trainer.model.prompt_learner.ctx for trainer in (first, second)]
        assert torch.equal(*ctx)
        said = "the head in the checkpoint is of other classes" in capsys.readouterr().out
        assert said == (name == "CoOpDePT")
        if said:
            head = second.model.linear_probe_proj
            assert head.out_features == len(names)
            assert not torch.equal(head.weight, first.model.linear_probe_proj.weight[: len(names)])


@pytest.mark.parametrize("given", ["in/prompt_learner", "."])
def test_the_folder_that_would_have_been_right_is_named(given, make, tmp_path):
    make("CoOp").save_model(0, str(tmp_path / "in"))
    with pytest.raises(FileNotFoundError) as caught:
        make("CoOp").load_model(str(tmp_path / given), epoch=1)
    assert f"did you mean {tmp_path}/in?" in str(caught.value)
