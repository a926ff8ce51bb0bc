"""One run, from its config to result.json."""

import logging
import os
import time
from collections.abc import Callable
from typing import Any

import torch
from yacs.config import CfgNode

from dassl.engine import build_trainer
from dassl.engine.result import remove_result, write_result
from dassl.engine.resume_state import read_resume_state
from dassl.utils.checkpoint_watch import watched_files
from dassl.utils.errors import UserError
from trainers.parts.data_rules import DATA_RULES, Built
from trainers.parts.run_plan import describe
from trainers.parts.run_rules import Asked, lines_of

logger = logging.getLogger(__name__)

FEWEST = 5
Keep = Callable[[Asked, Any], Callable[[], None]]


def execute(asked: Asked, started: float, keep: Keep | None = None) -> None:
    """Builds the trainer, does what the flags say, writes result.json.

    Args:
        started: `time.monotonic()` when the run began.
        keep: called with the trainer when all is ready to train or test; what it returns is called
            after that.

    Raises:
        UserError: what was asked for contradicts the data, or cannot be done.
    """
    args, cfg = asked.args, asked.cfg
    trainer = build_trainer(cfg)
    built = time.monotonic()
    refusals, notices = lines_of(DATA_RULES, Built(asked, trainer))
    if refusals:
        raise UserError(refusals)
    for notice in notices:
        logger.info(notice)
    if asked.flag("plan"):
        print(describe(trainer))
        return
    if not (asked.tests or asked.trains):
        return
    with watched_files() as files:
        if asked.tests:
            trainer.load_model(args.model_dir, epoch=args.load_epoch)
            remove_result(cfg)
            finish = keep(asked, trainer) if keep else None
            trainer.test()
        else:
            read_resume_state(trainer, cfg.RESUME or cfg.OUTPUT_DIR)  # refuses other configurations
            remove_result(cfg)
            finish = keep(asked, trainer) if keep else None
            trainer.train()
    record = getattr(trainer, "test_record", None)
    test_seconds = record.seconds if record else 0.0
    seconds = {
        "build": built - started,
        "train": time.monotonic() - built - test_seconds,
        "test": test_seconds,
    }
    if hint := below_chance(trainer):
        logger.info(hint)
    if finish is not None:
        finish()
    write_result(
        cfg,
        trainer,
        seconds=seconds,
        job_key=args.job_key or None,
        files=files,
        trained=asked.trains,
    )


def below_chance(trainer: Any) -> str:
    """Return a line for a test that did hardly better than guessing, nothing for any other one, or
    one over fewer than `FEWEST` classes, of which twice chance is a fair accuracy."""
    record = getattr(trainer, "test_record", None)
    if record is None or record.tasks or trainer.num_classes < FEWEST:
        return ""
    accuracy, chance = next(iter(record.results.values())), 100 / trainer.num_classes
    if accuracy >= 2 * chance:
        return ""
    return (
        f"Hint: {accuracy:.1f}% is below twice chance ({chance:.1f}% of {trainer.num_classes} "
        "classes): compare the order of the labels, the class list and the template of the prompts "
        "(python -m datasets check)"
    )


def make_deterministic(cfg: CfgNode) -> None:
    """Asks CUDA for algorithms that give the same numbers on every run of a seed."""
    if cfg.SEED >= 0 and cfg.USE_CUDA and torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
