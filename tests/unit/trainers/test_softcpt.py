"""SoftCPT and its hard baselines: what a step computes, what is saved and loaded, what is
refused."""

import pytest
import torch

from dassl.engine import TRAINER_REGISTRY
from dassl.utils.errors import UserError
from tests.support import prompt_run
from tests.support.prompt_run import trained, wander
from tests.unit.trainers.conftest import NAMES
from tests.unit.trainers.softcpt_runs import HARD, NODE, OTHER, SMALL, TASKS, words
from trainers.parts.model import Batch

VARIANTS = {
    "nata": {},
    "nats": {"TASK_CSC": True},
    "cata": {"CSC": True},
    "csta": {"CSC": True, "CLASS_CSC": True},
    "cats": {"CSC": True, "TASK_CSC": True},
    "csts": {"CSC": True, "CLASS_CSC": True, "TASK_CSC": True},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_step_computes_its_own_tasks_only_with_the_loss_of_all(variant, softcpt, two_tasks):
    trainer = softcpt(**VARIANTS[variant])
    model = trainer.model
    step, full = model.features(two_tasks.image, two_tasks), model.features(two_tasks.image)
    assert step.columns.tolist() == [True, True, False, True, True]
    results = []
    for features in (step, full):
        loss = model.objective(features, two_tasks).total()
        gradients = torch.autograd.grad(loss, list(trained(trainer).values()))
        results.append([loss.detach(), *gradients])
    for actual, expected in zip(*results, strict=True):
        assert (actual - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize("make_it", ["soft", "hard"])
def test_contexts_of_an_absent_task_get_a_gradient_of_zero(make_it, softcpt, hard, two_tasks):
    """Weight decay and momentum then act on them, as published."""
    trainer = softcpt(TASK_CSC=True) if make_it == "soft" else hard(TSC=True)
    rows = prompt_run.label_rows(two_tasks.label, TASKS)
    prompt_run.step(trainer, two_tasks.image, rows)
    if make_it == "soft":
        gradients = trainer.model.task_prompt_learner.ctx.grad
    else:
        gradients = [learner.ctx.grad for learner in trainer.model.prompt_learner.learners]
    assert [bool(g.any()) for g in gradients] == [True, False, True]


def test_contexts_of_classes_score_the_same_when_kept_by_task(hard, batch):
    by_task, whole = hard(TSC=True, CSC=True).model, hard(CSC=True).model
    contexts = [learner.ctx for learner in by_task.prompt_learner.learners]
    assert [len(context) for context in contexts] == [2, 1, 2]
    with torch.no_grad():
        whole.prompt_learner.ctx.copy_(torch.cat(contexts))
        torch.testing.assert_close(by_task(batch.image), whole(batch.image), rtol=1e-5, atol=1e-5)


def test_one_stream_a_task_equals_whole_rows(softcpt):
    model = softcpt().model
    contexts = torch.randn(3, 3, 64, generator=torch.Generator().manual_seed(2))
    group = model.task_of_class
    shared = model.prompt_learner.prompts(contexts, group)
    assert shared.prefix.shape[0] == 3
    whole = model.prompt_learner.whole_prompts(contexts[group])
    torch.testing.assert_close(
        model.encode_text(shared), model.encode_text(whole), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("position", ["middle", "front"])
def test_tokens_stand_where_each_position_key_says(position, softcpt, hard):
    model = softcpt(CSC=True, TASK_TOKEN_POSITION=position, CLASS_TOKEN_POSITION="end").model
    tower, names = model.clip.text, torch.arange(3)
    rows = model.task_prompt_learner(names).rows
    learner, before = model.task_prompt_learner, {"middle": 1, "front": 0}[position]
    assert torch.equal(rows[1, 1 : 1 + before], learner.ctx[:before])
    cars = tower.embed(learner.tokenized_prompts)[1, 3]  # behind 2 context tokens
    assert torch.equal(rows[1, 1 + before], cars)
    assert model.class_prompt_learner(names).prefix is not None
    assert hard(TOKEN_POSITION=position).model.text_prompts().prefix is None


def test_class_sampling_leaves_undrawn_classes_out_of_the_loss(softcpt, batch):
    tasks = {"animals": ["red fox", "blue jay", "cow", "owl", "ant", "cod"], "plants": ["tulip"]}
    trainer = softcpt(tasks=tasks, CSC=True, CLS_SAMPLE_RATE=0.5)
    sampled = Batch(batch.image, torch.tensor([0, 0, 2, 2]))
    torch.manual_seed(5)
    features = trainer.model.features(sampled.image, sampled)
    torch.manual_seed(5)
    chosen = sorted([0, 2, *([1, 3, 4, 5][i] for i in torch.randperm(4)[:2])])
    assert features.columns.nonzero().squeeze(1).tolist() == chosen
    constant = features.text[~features.columns]
    assert torch.equal(constant, torch.full_like(constant, 1e-6))
    logits = trainer.model.similarity(features)[:, chosen]
    places = torch.tensor([chosen.index(y) for y in sampled.label])
    expected = torch.nn.functional.cross_entropy(logits, places)
    torch.testing.assert_close(trainer.model.objective(features, sampled).total(), expected)
    assert trainer.model.features(sampled.image).columns is None  # a test scores all classes


def test_words_start_a_context_from_their_embeddings(softcpt, hard):
    model = softcpt(TASK_CTX_INIT="a_photo_of_a", TASK_CSC=True).model
    tokens = model.task_prompt_learner.tokenized_prompts
    start = model.clip.text.embed(tokens)[0, 1:5]
    assert torch.equal(model.task_prompt_learner.ctx, start)  # one for all tasks
    learners = hard(CTX_INIT="a photo of a", TSC=True).model.prompt_learner.learners
    assert all(torch.equal(learner.ctx, start) for learner in learners)


def test_a_context_of_no_tokens_is_not_trained(softcpt, two_tasks, tmp_path):
    trainer = softcpt(CSC=True, CLASS_N_CTX=0)
    assert set(trained(trainer)) == {"task_prompt_learner.ctx", "prompt_gen.proj"}
    trainer.save_model(0, str(tmp_path))
    again = softcpt(CSC=True, CLASS_N_CTX=0, seed=2)
    again.load_model(str(tmp_path))
    expected = prompt_run.logits(trainer, two_tasks.image)
    torch.testing.assert_close(prompt_run.logits(again, two_tasks.image), expected)


def test_a_frozen_class_context_is_saved_and_does_not_move(softcpt, two_tasks, tmp_path):
    trainer = softcpt(CSC=True, FREEZE_CLS_PROMPT=1)
    start = trainer.model.class_prompt_learner.ctx.clone()
    prompt_run.step(trainer, two_tasks.image, two_tasks.label, batch_idx=1)
    assert torch.equal(trainer.model.class_prompt_learner.ctx, start)
    assert trainer.step_repeat() == 3
    trainer.save_model(0, str(tmp_path))
    again = softcpt(CSC=True, FREEZE_CLS_PROMPT=1, seed=2)
    again.load_model(str(tmp_path))
    assert torch.equal(again.model.class_prompt_learner.ctx, start)


def test_one_optimizer_steps_as_often_as_there_are_published_parts(softcpt, two_tasks):
    repeats = {"nata": 3, "nats": 3, "cata": 4, "csts": 4}
    for variant, repeat in repeats.items():
        assert softcpt(**VARIANTS[variant]).step_repeat() == repeat
    assert softcpt(STEP_REPEAT=1).step_repeat() == 1
    trainers = [softcpt(), softcpt(STEP_REPEAT=1)]
    for trainer in trainers:
        prompt_run.step(trainer, two_tasks.image, two_tasks.label)
    often, once = trainers
    gradient = once.model.prompt_gen.proj.grad
    further = once.model.prompt_gen.proj - often.model.prompt_gen.proj
    rate = once.get_current_lr()  # momentum 0.9: 1 + 1.9 + 2.71 gradients instead of 1
    torch.testing.assert_close(further, rate * 4.61 * gradient, rtol=1e-2, atol=1e-8)


@pytest.mark.parametrize("alias", ["MTCoOp", "MTCoOpHard", "ExtrasLinearProbeMTCoOp"])
def test_published_names_are_the_methods(alias):
    name = {"MTCoOp": "SoftCPT", "MTCoOpHard": "SoftCPTHard"}.get(alias, "SoftCPTDePT")
    assert issubclass(TRAINER_REGISTRY.get(alias), TRAINER_REGISTRY.get(name))


def published_files(trainer, folder, epoch=50):
    """Writes checkpoints as SoftCPT's repository does: token buffers of every task, one optimizer
    in each file."""
    sizes, parts = [len(names) for names in TASKS.values()], trainer.checkpoint_folders()
    for part in parts:
        state = dict(getattr(trainer.model, part).state_dict())
        prefixes = [f"{t}." for t in range(len(sizes))] if part == "prompt_learner" else [""]
        if "learners.0.ctx" in state:
            prefixes = [f"learners.{t}." for t in range(len(sizes))]
        for prefix, size in zip(prefixes, sizes, strict=False):
            state[f"{prefix}token_prefix"] = torch.zeros(size, 1, 64)
            state[f"{prefix}token_suffix"] = torch.zeros(size, 73, 64)
        (folder / part).mkdir(parents=True)
        content = {"state_dict": state, "epoch": epoch, "optimizer": None, "scheduler": None}
        torch.save(content, folder / part / f"model.pth.tar-{epoch}")


@pytest.mark.parametrize("make_it", ["soft", "hard"])
def test_published_files_score_other_classes_by_their_own_names(
    make_it, softcpt, hard, two_tasks, tmp_path
):
    build, values = (softcpt, VARIANTS["cats"]) if make_it == "soft" else (hard, {"TSC": True})
    trained = wander(build(**values))
    published_files(trained, tmp_path)
    new = build(tasks=OTHER, seed=2, **values)
    new.load_model(str(tmp_path), epoch=50)
    expected = build(tasks=OTHER, seed=3, **values)
    expected.model.load_state_dict(trained.model.state_dict())
    logits = prompt_run.logits(new, two_tasks.image)
    assert torch.equal(logits, prompt_run.logits(expected, two_tasks.image))


@pytest.mark.parametrize(
    ("kind", "values", "key", "of"),
    [
        ("soft", VARIANTS["csta"], f"{NODE}.CLASS_CSC", "classes"),
        ("soft", VARIANTS["nats"], f"{NODE}.TASK_CSC", "tasks"),
        ("hard", {"CSC": True}, f"{HARD}.CSC", "classes"),
        ("hard", {"TSC": True}, f"{HARD}.TSC", "tasks"),
        ("hard", {"TSC": True, "CSC": True}, f"{HARD}.CSC", "classes"),
    ],
)
def test_owned_contexts_refuse_other_owners(kind, values, key, of, softcpt, hard, tmp_path):
    build = softcpt if kind == "soft" else hard
    build(**values).save_model(0, str(tmp_path))
    more = {**OTHER, "planes": ["Boeing 737"]}
    with pytest.raises(UserError, match=rf"^{key}: the checkpoint's contexts are of \d {of}, not"):
        build(tasks=more, **values).load_model(str(tmp_path))
    renamed = {f"new {task}": [f"new {n}" for n in names] for task, names in TASKS.items()}
    same = build(tasks=renamed, **values)
    same.load_model(str(tmp_path))
    first = "red fox" if of == "classes" else "animals"
    with pytest.raises(UserError, match=rf"^{key}: .* are of the {of} {first}, .*, or train with"):
        same.model.check_scorable()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"PG_TYPE": "mlp"}, r"^TRAINER.MTCOOP.PG_TYPE = 'mlp': use one of lin, linmean, lincls"),
        ({"PG_TYPE": "lincls"}, r"PG_TYPE = 'lincls': needs class features.*CSC True.* use lin$"),
        ({"PG_TYPE": "linmean"}, r"PG_TYPE = 'linmean': needs class features.*CSC True.* use lin$"),
        ({"CLS_SAMPLE_RATE": 0.1}, r"CLS_SAMPLE_RATE = 0.1: needs TRAINER.MTCOOP.CSC True"),
        ({"CLS_SAMPLE_RATE": 1.5}, r"CLS_SAMPLE_RATE = 1.5: use 1 or less"),
        (
            {"CTX_INIT": "a photo"},
            r"CTX_INIT = 'a photo': has 2 words.*N_CTX = 3 tokens; use equal",
        ),
        ({"TASK_TOKEN_POSITION": "back"}, r"TASK_TOKEN_POSITION = 'back': use one of end, middle"),
        ({"STEP_REPEAT": 0}, r"^TRAINER.MTCOOP.STEP_REPEAT = 0: use -1, or 1 and more$"),
    ],
)
def test_values_that_mean_nothing_are_refused_in_one_line(values, message, softcpt):
    with pytest.raises(UserError, match=message) as caught:
        softcpt(**values)
    assert len(caught.value.problems) == 1


def test_a_long_task_name_is_refused_with_the_room_there_is(softcpt):
    with pytest.raises(
        UserError, match=r"^TRAINER.MTCOOP.TASK_N_CTX = 2: .* 'word word.*shorten it$"
    ):
        softcpt(tasks={"word " * 80: ["tulip"], "plants": ["corn"]})


def test_a_dataset_of_one_task_is_named_by_its_class(make, batch, monkeypatch):
    lists = {"taskid2tname": [], "taskid2cname": []}
    files = ("TEST.EVALUATOR", "Classification", *words(NODE, SMALL))
    trainer = make("SoftCPT", *files, names=NAMES, **lists)
    (task,) = trainer.model.tasks
    assert (task.name, task.end) == ("pet breed recognition", 5)
    report = prompt_run.step(trainer, batch.image, batch.label)
    assert torch.isfinite(report["loss"]) and 0 <= report["map"] <= 100
    reader = type("Pets", (), {})
    monkeypatch.setattr("trainers.parts.task_prompts.DATASET_REGISTRY.get", lambda name: reader)
    with pytest.raises(UserError, match=r"^DATASET.NAME = OxfordPets: no task name is known.*"):
        make("SoftCPT", *files, names=NAMES, **lists)
