"""Says what pictures show, by the model of a finished run.

    python predict.py --model-dir output/digits --top-k 3 picture.png folder/ 'more/**/*.jpg'

    python predict.py --model-dir output/digits --classnames zero,one,ten --format csv picture.png

    python predict.py --model-dir ~/weights/promptsrc/dtd/base/seed1 --trainer PromptSRC \\
        --dataset-config-file configs/datasets/dtd.yaml \\
        --config-file configs/trainers/PromptSRC/vit_b16_c2_ep20_batch4_4+4ctx.yaml \\
        --classnames banded,blotchy,braided picture.png
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from command_line import Command, run
from use.show import FORMATS


class PredictCommand(Command):
    """Takes KEY VALUE ... of the config behind the pictures."""

    LISTS = ("images",)


def build_parser() -> argparse.ArgumentParser:
    """The command line; needs no torch."""
    parser = PredictCommand(__doc__)
    parser.set_defaults(opts=[])
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="files, folders or globs")
    what = parser.add_argument_group("what is told apart")
    what.add_argument(
        "--classnames",
        default="",
        help="other classes: names with commas between, or a file with a name a line",
    )
    what.add_argument("--task", help="of a run of several tasks: name or number of the one")
    what.add_argument("--top-k", type=int, default=5, help="classes shown (default: 5)")
    shown = parser.add_argument_group("output")
    shown.add_argument(
        "--format", choices=FORMATS, default="table", help="on stdout (default: table)"
    )
    shown.add_argument(
        "--save-predictions", default="", metavar="FILE", help="path and logits as npz"
    )
    add_run_arguments(parser)
    return parser


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags that name a trained model."""
    model = parser.add_argument_group("model")
    model.add_argument("--model-dir", required=True, help="output folder of a run")
    model.add_argument(
        "--load-epoch", type=int, help="its epoch; -1 is the newest (default: the run's choice)"
    )
    model.add_argument("--backbone", default="", help="where CLIP's weights lie now")
    model.add_argument("--device", help="cpu or cuda (default: a GPU if there is one)")
    model.add_argument(
        "--batch-size", type=int, help="pictures at once (default: that of the run's tests)"
    )
    bare = parser.add_argument_group("a checkpoint without run.yaml, such as a published one")
    bare.add_argument("--trainer", default="", help="method")
    bare.add_argument("--config-file", default="", help="YAML of the method")
    bare.add_argument("--dataset-config-file", default="", help="YAML of the dataset")


def build_classifier(args: argparse.Namespace) -> Any:
    """The classifier that the flags name.

    Raises:
        UserError: one line for each problem.
    """
    from use.classifier import PromptClassifier
    from use.classnames import read_classnames
    from use.runs import Changes, TrainedRun

    names = read_classnames(args.classnames)
    changes = Changes(args.load_epoch, args.backbone, args.opts)
    if args.trainer or args.config_file:
        files = [args.dataset_config_file, args.config_file]
        found = TrainedRun.describe(
            args.model_dir, trainer=args.trainer, files=files, classnames=names, changes=changes
        )
    else:
        found = TrainedRun.read(args.model_dir, changes)
    return PromptClassifier.of(found, classnames=names, task=args.task, device=args.device)


def main(args: argparse.Namespace) -> None:
    """Predicts every picture; those that cannot be read are named at the end.

    Raises:
        UserError: a line for each problem.
    """
    from tqdm import tqdm  # type: ignore[import-untyped]

    from dassl.utils.errors import UserError
    from use.pictures import find_pictures
    from use.recording import Keeper
    from use.show import show

    pictures = find_pictures(args.images)
    classifier = build_classifier(args)
    broken: list[str] = []
    keeper = Keeper(classifier) if args.save_predictions else None
    predictions = classifier.predict(
        tqdm(pictures, disable=None),  # on stderr, and only on a terminal
        top_k=args.top_k,
        batch_size=args.batch_size,
        on_error=lambda error: broken.extend(error.problems),
        on_scored=keeper,
    )
    show(predictions, args.format, sys.stdout)
    if keeper is not None:
        keeper.predictions().save(Path(args.save_predictions))
    if broken:
        raise UserError(broken)


if __name__ == "__main__":
    sys.exit(run(main, build_parser(), None))
