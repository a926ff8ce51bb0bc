"""Flags and keys that a dataset, or the trainer once it stands, makes meaningless."""

from dataclasses import dataclass
from typing import Any

from yacs.config import CfgNode

from dassl.data.datasets.multitask import is_multitask
from trainers.parts.run_rules import Asked, Rule


@dataclass(frozen=True)
class Built:
    """A run whose trainer stands, with its data.

    Attributes:
        asked: the command line.
        trainer: the object.
    """

    asked: Asked
    trainer: Any

    @property
    def cfg(self) -> CfgNode:
        return self.asked.cfg

    @property
    def dataset(self) -> Any:
        return getattr(getattr(self.trainer, "dm", None), "dataset", None)

    @property
    def validates(self) -> bool:
        """Whether epochs are chosen by validation images."""
        test = self.cfg.TEST
        return self.asked.trains and not test.NO_TEST and test.FINAL_MODEL == "best_val"

    @property
    def lacks_val(self) -> bool:
        return getattr(self.trainer, "val_loader", True) is None

    @property
    def registered(self) -> list[str]:
        return list(getattr(self.trainer, "_models", {}))


def _val_is_test(built: Built) -> bool:
    val, test = (getattr(built.dataset, split, None) or () for split in ("val", "test"))
    return bool({item.impath for item in val} & {item.impath for item in test})


DATA_RULES = (
    Rule(
        "the best by validation images that are not there",
        True,
        lambda b: b.validates and b.lacks_val,
        lambda b: (
            f"TEST.FINAL_MODEL best_val: {b.cfg.DATASET.NAME} has no validation images, and test "
            "images would choose the epoch; use last_step"
        ),
    ),
    Rule(
        "the best by test images",
        False,
        lambda b: b.validates and not b.lacks_val and _val_is_test(b),
        lambda b: (
            f"TEST.FINAL_MODEL best_val: validation images of {b.cfg.DATASET.NAME} are test "
            "images: they choose the epoch that they test"
        ),
    ),
    Rule(
        "a test of validation images that are not there",
        True,
        lambda b: b.cfg.TEST.SPLIT == "val" and b.lacks_val,
        lambda b: f"TEST.SPLIT val: {b.cfg.DATASET.NAME} has no validation images; use test",
    ),
    Rule(
        "a folder to go on from that holds nothing",
        True,
        lambda b: (
            b.asked.trains
            and bool(b.cfg.RESUME)
            and hasattr(b.trainer, "can_resume")
            and not b.trainer.can_resume(b.cfg.RESUME)
        ),
        lambda b: (
            f"--resume {b.cfg.RESUME} (RESUME): holds no resume.pth.tar and no checkpoint of "
            f"{', '.join(b.registered) or 'this trainer'}, and the run would start from nothing; "
            "give the output folder of a run, or drop it"
        ),
    ),
    Rule(
        "a test of a public trainer's tensors as they start",
        False,
        lambda b: (
            b.asked.tests
            and not b.asked.ours
            and bool(b.registered)
            and b.asked.flag("model_dir") is None
            and not b.asked.flag("untrained")
        ),
        lambda b: (
            "--eval-only without --model-dir: tests what the trainer itself has loaded, else "
            f"{', '.join(b.registered)} as it starts; give the folder of a run (--model-dir)"
        ),
    ),
    Rule(
        "results by task of one task",
        False,
        lambda b: "TEST.PER_TASK_RESULT" in b.asked.typed and not is_multitask(b.dataset),
        lambda b: f"TEST.PER_TASK_RESULT says nothing: {b.cfg.DATASET.NAME} is one task",
    ),
    Rule(
        "domains of a dataset without any",
        False,
        lambda b: (
            bool(b.cfg.DATASET.SOURCE_DOMAINS or b.cfg.DATASET.TARGET_DOMAINS)
            and not getattr(b.dataset, "domains", True)
        ),
        lambda b: (
            "DATASET.SOURCE_DOMAINS and TARGET_DOMAINS (--source-domains, --target-domains) say "
            f"nothing: {b.cfg.DATASET.NAME} has no domains"
        ),
    ),
)
