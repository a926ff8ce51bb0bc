"""Trains or tests one method on one dataset with one seed.

    python train.py --root ~/data --seed 1 --trainer MaPLe \\
        --dataset-config-file configs/datasets/oxford_pets.yaml \\
        --config-file configs/trainers/MaPLe/vit_b16_c2_ep5_batch4_2ctx.yaml \\
        --output-dir output/pets DATASET.NUM_SHOTS 16 DATASET.SUBSAMPLE_CLASSES base

    python train.py --root ~/data --seed 1 --trainer MaPLe ... \\
        --output-dir output/pets_new --model-dir output/pets --load-epoch 5 --eval-only \\
        DATASET.NUM_SHOTS 16 DATASET.SUBSAMPLE_CLASSES new
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from command_line import EXIT_INTERRUPTED, EXIT_USER_MISTAKE, Command, mistake_lines

if TYPE_CHECKING:
    from yacs.config import CfgNode  # type: ignore[import-untyped]

    from trainers.parts.run_rules import Asked

# Flags that the public engine's train.py does not have; listed in the log only when they are used.
OWN_FLAGS = (
    "cache",
    "debug",
    "job_key",
    "memory_limit",
    "old_data_path",
    "new_data_path",
    "no_cache",
    "plan",
    "save_predictions",
    "serve",
    "untrained",
)


class Parser(Command):
    """Knows train.py's flags that take a list."""

    LISTS = ("transforms", "source_domains", "target_domains")


def build_parser() -> argparse.ArgumentParser:
    """The command line; needs no torch."""
    parser = Parser(__doc__)
    run = parser.add_argument_group("run")
    run.add_argument("--trainer", default="", help="method, such as CoOp or MaPLeDePT")
    run.add_argument("--config-file", default="", help="YAML of the method")
    run.add_argument("--dataset-config-file", default="", help="YAML of the dataset")
    run.add_argument("--seed", type=int, default=-1, help="0 or more fixes all generators")
    run.add_argument("--backbone", default="", help="CLIP: public name or weights file")
    run.add_argument(
        "--memory-limit",
        default="",
        metavar="8G",
        help="most memory of a run; auto: what is free",
    )
    run.add_argument("--head", default="", help="name of the engine's head")
    run.add_argument("--transforms", nargs="+", help="training transforms, in place of the YAML's")
    run.add_argument("--source-domains", nargs="+", help="source domains of the dataset")
    run.add_argument("--target-domains", nargs="+", help="target domains of the dataset")
    files = parser.add_argument_group("files")
    files.add_argument("--root", default="", help="folder of the datasets (default: $DATA)")
    files.add_argument("--output-dir", default="", help="folder of log, checkpoints, result.json")
    files.add_argument("--resume", default="", help="folder to resume from (default: output-dir)")
    files.add_argument(
        "--model-dir", default="", help="folder of a trained model, with --eval-only"
    )
    files.add_argument("--load-epoch", type=int, help="its epoch; -1 is the newest")
    files.add_argument(
        "--save-predictions", action="store_true", help="path, label, logits of each test image"
    )
    files.add_argument("--old-data-path", default="", help="text in image paths to replace")
    files.add_argument("--new-data-path", default="", help="what stands there instead")
    place = "folder that keeps test images and their features (default: $PROMPTLAB_CACHE, else "
    files.add_argument("--cache", metavar="DIR", default="", help=f"{place}~/.cache/promptlab)")
    files.add_argument("--no-cache", action="store_true", help="keep none, and use none")
    what = parser.add_argument_group("what to do (default: train, then test)")
    what.add_argument("--eval-only", action="store_true", help="test only")
    what.add_argument(
        "--untrained", action="store_true", help="with --eval-only: tensors as they start"
    )
    what.add_argument("--no-train", action="store_true", help="build everything, train nothing")
    what.add_argument(
        "--plan", action="store_true", help="print what would train, steps and memory, and stop"
    )
    what.add_argument("--job-key", default="", help="copied into result.json (parallel_runner.py)")
    what.add_argument(
        "--serve", type=int, metavar="FD", help="run what comes over a socket (parallel_runner.py)"
    )
    what.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument("opts", nargs=argparse.REMAINDER, help="KEY VALUE ... of the config")
    return parser


def setup_cfg(args: argparse.Namespace) -> CfgNode:
    """The frozen config of the run.

    Raises:
        UserError: one line per problem.
    """
    asked, notices = read_command(args)
    say(notices)
    return asked.cfg


def read_command(args: argparse.Namespace) -> tuple[Asked, list[str]]:
    """What the command line asks for, its config frozen, and the notices to print.

    Raises:
        UserError: one line per problem.
    """
    import datasets
    import trainers
    from trainers.parts.run_config import build_config
    from trainers.parts.run_rules import FLAG_KEYS

    flags = {key: getattr(args, flag, None) for flag, key in FLAG_KEYS.items()}
    flags["DATASET.ROOT"] = args.root or os.environ.get("DATA", "")
    flags["SEED"] = args.seed if args.seed >= 0 else None
    given = {key: value for key, value in flags.items() if value not in ("", None)}
    files = [args.dataset_config_file, args.config_file]
    asked, notices = build_config(args.trainer, files, given, args.opts, args)
    for broken in [*trainers.BROKEN, *datasets.BROKEN]:
        notices.append(f"Notice: {broken.path} could not be imported: {broken.error}")
    asked.cfg.freeze()
    return asked, notices


def say(notices: Sequence[str]) -> None:
    """Prints notices, a line each."""
    for notice in notices:
        logging.getLogger("trainers").info(notice)


def use_store(args: argparse.Namespace) -> None:
    """Chooses the store of test images and features that the run reads and fills."""
    from pathlib import Path

    from image_store import Store, activate, default_folder

    folder = Path(args.cache) if args.cache else default_folder()
    activate(None if args.no_cache else Store(folder))


def print_head(args: argparse.Namespace, cfg: CfgNode) -> None:
    """The head of the published logs: arguments, config and system between starred lines."""
    from dassl.utils import collect_env_info

    print("***************\n** Arguments **\n***************")
    for key, value in sorted(vars(args).items()):
        if key not in OWN_FLAGS or value:
            print(f"{key}: {value}")
    print("************\n** Config **\n************")
    print(cfg)
    print("Collecting env info ...")
    print(f"** System info **\n{collect_env_info()}\n")


def main(args: argparse.Namespace) -> None:
    """Builds, trains and tests as the flags say, and leaves result.json in the output folder.

    Raises:
        UserError: a mistake of the user, one line per problem.
    """
    started = time.monotonic()
    asked, notices = read_command(args)
    cfg = asked.cfg
    use_store(args)
    import datasets
    from dassl.utils import set_random_seed, setup_logger
    from dassl.utils.errors import UserError
    from trainers.parts.execution import execute, make_deterministic
    from trainers.parts.run_config import dataset_problems
    from use.run_file import keep_run

    if problems := dataset_problems(cfg, datasets.BROKEN):
        raise UserError(problems)
    if cfg.SEED >= 0:
        print(f"Setting fixed seed: {cfg.SEED}")
        set_random_seed(cfg.SEED)
    make_deterministic(cfg)
    log = None if args.plan else setup_logger(cfg.OUTPUT_DIR)
    try:
        if not args.plan:
            print_head(args, cfg)
        say(notices)
        execute(asked, started, keep_run)
    finally:
        if log is not None:
            log.close()


def serve(descriptor: int) -> list[str] | None:
    """Loads everything, then forks for each job that comes over the socket: in a fork the job's
    command line, in the process itself None at the end."""
    import socket

    import torch

    import clip
    import datasets  # noqa: F401
    import trainers  # noqa: F401
    from dassl.utils.serving import JobServer

    clip.tokenize("")  # reads its vocabulary once for all

    # OpenMP's threads do not survive a fork, and a fork that waits for them waits for ever: this
    # process loads weights with one thread, and so starts none.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    job = JobServer(socket.socket(fileno=descriptor), load_ahead).serve()
    torch.set_num_threads(threads)
    return job


def load_ahead(argv: list[str]) -> None:
    """Loads for all later forks what a coming run needs: its CLIP weights, and for a training
    TensorBoard; what is wrong with them or with the command line, the run itself will say."""
    from contextlib import suppress

    import clip
    from trainers.parts.backbone import resolve_backbone

    with suppress(Exception, SystemExit):
        args = build_parser().parse_args(argv)
        clip.keep_state_dict(resolve_backbone(setup_cfg(args).MODEL.BACKBONE.NAME))
        if not args.eval_only:
            import torch.utils.tensorboard  # noqa: F401


def run(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code: 0 done, 2 a mistake of the user."""
    args = build_parser().parse_args(argv)
    if args.serve is not None:
        job = serve(args.serve)
        if job is None:
            return 0
        from dassl.utils.serving import end_with

        end_with(lambda: run(job))
    try:
        main(args)
    except KeyboardInterrupt:
        print("interrupted; the same command resumes", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Exception as error:
        lines = mistake_lines(error)
        if args.debug or lines is None:
            raise
        if len(lines) > 1:
            print(f"error: {len(lines)} problems", file=sys.stderr)
        for line in lines:
            print(f"error: {line}" if len(lines) == 1 else f"  {line}", file=sys.stderr)
        return EXIT_USER_MISTAKE
    return 0


if __name__ == "__main__":
    sys.exit(run())
