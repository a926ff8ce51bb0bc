"""PromptClassifier: any method, from the files of its run alone."""

import shutil

import pytest
import torch
from PIL import Image

from dassl.config import get_cfg_default
from dassl.data.transforms import build_transform
from dassl.engine import build_trainer
from dassl.utils.errors import UserError
from tests.support import prompt_run, tiny_clip
from tests.unit.dassl import toy
from tests.unit.trainers.conftest import NAMES, is_multitask, trained_methods
from tests.unit.trainers.softcpt_runs import NODE, SMALL, TASKS, words
from use import PromptClassifier
from use.classifier import to_probabilities
from use.run_file import write_run_file
from use.runs import Changes, TrainedRun

METHODS = trained_methods()
OTHER = ("blue jay", "tulip", "pizza")


def as_tested(trainer, pictures):
    """Probabilities as the trainer's test computes them."""
    transform = build_transform(trainer.cfg, is_train=False)
    images = torch.stack([transform(Image.open(path).convert("RGB")) for path in pictures])
    with trainer.model.fixed_weights():
        return to_probabilities(prompt_run.logits(trainer, images))


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", [n for n in METHODS if not is_multitask(n)])
def test_probabilities_are_those_of_the_runs_test(name, finished, pictures):
    trainer, folder = finished(name)
    classifier = PromptClassifier.from_run(folder)
    assert classifier.classes == NAMES
    close(classifier.probabilities(pictures), as_tested(trainer, pictures))


@pytest.mark.parametrize("name", [n for n in METHODS if is_multitask(n)])
def test_a_task_is_told_apart_by_itself(name, finished, pictures):
    trainer, folder = finished(name)
    with trainer.model.fixed_weights(), torch.no_grad():
        transform = build_transform(trainer.cfg, is_train=False)
        images = torch.stack([transform(Image.open(p).convert("RGB")) for p in pictures])
        logits = trainer.model_inference(images)
    for task, columns in (("living things", slice(0, 2)), ("1", slice(2, 5))):
        classifier = PromptClassifier.from_run(folder, task=task)
        assert classifier.classes == NAMES[columns]
        close(classifier.probabilities(pictures), to_probabilities(logits[:, columns]))
    with pytest.raises(UserError, match=r"several tasks: 0 \(living things\), 1 \(the rest\)"):
        PromptClassifier.from_run(folder)


@pytest.mark.parametrize("name", ["ZeroshotCLIP", "ZeroshotCLIP2"])
def test_zero_shot_needs_no_checkpoint(name, shallow, pictures, tmp_path):
    trainer = shallow(name, "OUTPUT_DIR", str(tmp_path / "run"))
    write_run_file(trainer.cfg, trainer)
    classifier = PromptClassifier.from_run(tmp_path / "run")
    close(classifier.probabilities(pictures), as_tested(trainer, pictures))
    few = PromptClassifier.from_run(tmp_path / "run", classnames=OTHER)
    assert few.probabilities(pictures).shape == (4, 3)


def test_a_linear_probe_scores_its_own_classes_only(finished, pictures):
    trainer, folder = finished("LinearProbe")
    close(PromptClassifier.from_run(folder).probabilities(pictures), as_tested(trainer, pictures))
    with pytest.raises(UserError, match="only the classes it was fitted on"):
        PromptClassifier.from_run(folder, classnames=OTHER)


@pytest.mark.parametrize("name", ["CoOp", "CoCoOpDePT", "MaPLeDePT", "CLIPAdapter", "VPT"])
def test_other_classes_at_prediction_time_are_those_of_a_test_on_new_ones(
    name, finished, shallow, pictures
):
    _, folder = finished(name)
    new = shallow(name, "DATASET.SUBSAMPLE_CLASSES", "new", names=list(OTHER), seed=9)
    new.load_model(str(folder))
    classifier = PromptClassifier.from_run(folder, classnames=OTHER)
    close(classifier.probabilities(pictures), as_tested(new, pictures))


def test_depts_head_joins_on_its_own_classes_only(finished, pictures):
    trainer, folder = finished("CoOpDePT")
    own = PromptClassifier.from_run(folder, classnames=NAMES)
    close(own.probabilities(pictures), as_tested(trainer, pictures))
    shuffled = PromptClassifier.from_run(folder, classnames=NAMES[::-1])
    with torch.no_grad():
        features = shuffled.trainer.model.features(torch.stack([own.tensor(pictures[0])]))
        similarity = shuffled.trainer.model.similarity(features)
    close(shuffled.probabilities(pictures[:1]), to_probabilities(similarity))


def test_class_specific_contexts_refuse_other_classes_in_one_line(finished):
    _, folder = finished("CoOp", "TRAINER.COOP.CSC", True)
    for names in (OTHER, ("a", "b", "c", "d", "e")):
        with pytest.raises(UserError, match="do not transfer") as caught:
            PromptClassifier.from_run(folder, classnames=names)
        assert len(caught.value.problems) == 1 and "\n" not in str(caught.value)


def test_softcpt_scores_other_classes_of_one_of_its_tasks(finished, softcpt, pictures):
    _, folder = finished("SoftCPT", *words(NODE, SMALL), **prompt_run.of_tasks(TASKS))
    classifier = PromptClassifier.from_run(folder, task="plants", classnames=["rose", "oak"])
    assert classifier.classes == ["rose", "oak"]
    new = softcpt("SoftCPT", tasks={**TASKS, "plants": ["rose", "oak"]}, seed=9)
    new.load_model(str(folder))
    columns = as_tested(new, pictures)[:, 3:]
    close(classifier.probabilities(pictures), columns / columns.sum(dim=1, keepdim=True))


def test_a_published_checkpoint_is_described_by_hand(finished, pictures, three_blocks):
    trainer, folder = finished("CoOp", "TRAINER.COOP.N_CTX", 4)
    (folder / "run.yaml").unlink()
    described = TrainedRun.describe(
        folder,
        trainer="CoOp",
        files=["configs/datasets/oxford_pets.yaml", "configs/trainers/CoOp/vit_b16_ep50.yaml"],
        changes=Changes(
            backbone=str(three_blocks),
            options=["INPUT.SIZE", "(32, 32)", "TRAINER.COOP.N_CTX", "4"],
        ),
    )
    assert list(described.space.names) == NAMES  # from the checkpoint's own list
    close(PromptClassifier.of(described).probabilities(pictures), as_tested(trainer, pictures))


def test_predictions_come_one_by_one_with_the_likeliest_first(finished, pictures):
    _, folder = finished("CoOp")
    classifier = PromptClassifier.from_run(folder)
    expected = classifier.probabilities(pictures)
    found = list(classifier.predict(pictures, top_k=2, batch_size=3))
    assert [prediction.image for prediction in found] == pictures
    for row, prediction in zip(expected, found, strict=True):
        assert prediction.classes[0] == NAMES[int(row.argmax())]
        values = row.sort(descending=True).values[:2].tolist()
        assert prediction.probabilities == pytest.approx(values, abs=1e-6)
    (everything,) = classifier.predict([Image.open(pictures[0])], top_k=99)
    assert everything.image == "" and sum(everything.probabilities) == pytest.approx(1)


def test_a_moved_run_is_found_with_its_weights(finished, pictures, tmp_path, three_blocks):
    trainer, folder = finished("MaPLe")
    moved, weights = tmp_path / "moved", tmp_path / "clip.pt"
    shutil.move(folder, moved)
    shutil.copy(three_blocks, weights)
    run = TrainedRun.read(moved, Changes(backbone=str(weights)))
    close(PromptClassifier.of(run).probabilities(pictures), as_tested(trainer, pictures))


def test_a_trainer_of_the_public_engine_predicts_too(tmp_path):
    toy.write_images(tmp_path)
    cfg = get_cfg_default()
    cfg.TRAINER.NAME, cfg.DATASET.NAME, cfg.DATASET.ROOT = "ToyTrainer", "ToyData", str(tmp_path)
    cfg.OUTPUT_DIR, cfg.INPUT.SIZE, cfg.USE_CUDA = str(tmp_path / "run"), (8, 8), False
    cfg.DATALOADER.NUM_WORKERS = 0
    trainer = build_trainer(cfg)
    trainer.save_model(0, cfg.OUTPUT_DIR)
    write_run_file(cfg, trainer)
    pictures = sorted(map(str, (tmp_path / "toy").rglob("00.png")))
    shutil.move(tmp_path / "toy", tmp_path / "moved")
    moved = [path.replace("/toy/", "/moved/") for path in pictures]
    classifier = PromptClassifier.from_run(tmp_path / "run")
    assert classifier.classes == toy.CLASSES
    images = torch.stack([classifier.tensor(path) for path in moved])
    trainer.set_model_mode("eval")
    with torch.no_grad():
        close(classifier.probabilities(moved), to_probabilities(trainer.model_inference(images)))


def test_a_test_whose_checkpoints_are_gone_says_so(finished, shallow, tmp_path):
    _, folder = finished("CoOp")
    tested = shallow("CoOp", "OUTPUT_DIR", str(tmp_path / "test"))
    write_run_file(tested.cfg, tested, model_dir=str(folder), epoch=1)
    assert PromptClassifier.from_run(tmp_path / "test").run.model_dir == folder
    shutil.rmtree(folder)
    with pytest.raises(UserError, match=r"is a test of the checkpoints in .*, which is not there"):
        PromptClassifier.from_run(tmp_path / "test")


def test_what_does_not_fit_is_one_line(finished, tmp_path, tiny_vit):
    _, folder = finished("MaPLe")
    same_shape = tiny_clip.saved(
        tmp_path / "other.pt",
        layers=3,
        text_layers=3,
        vision_width=64,
        text_width=64,
        embed_dim=32,
        seed=5,
    )
    for backbone, message in ((tiny_vit, "not the CLIP"), (same_shape, "not the CLIP")):
        with pytest.raises(UserError, match=message) as caught:
            TrainedRun.read(folder, Changes(backbone=str(backbone))).build()
        assert len(caught.value.problems) == 1
    (folder / "MultiModalPromptLearner").rename(folder / "prompt_learner")
    with pytest.raises(UserError, match=r"Model not found at .* holds prompt_learner"):
        PromptClassifier.from_run(folder)


def test_a_folder_that_no_run_left_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        PromptClassifier.from_run(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"no run\.yaml.*give --trainer"):
        PromptClassifier.from_run(tmp_path)
    for content in ("format: 1\n", "- a\n", "a: [", "format: 1\nclasses: 3\n"):
        (tmp_path / "run.yaml").write_text(content)
        with pytest.raises(UserError, match=r"no whole run\.yaml"):
            PromptClassifier.from_run(tmp_path)


@pytest.mark.parametrize(
    ("names", "message"), [(["cat", ""], "a name is empty"), (["cat", "cat"], "stands there twice")]
)
def test_class_names_are_checked(names, message, finished):
    _, folder = finished("CoOp")
    with pytest.raises(UserError, match=message):
        PromptClassifier.from_run(folder, classnames=names)
