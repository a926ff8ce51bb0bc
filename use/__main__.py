"""Measures, out-of-distribution detection and export of finished runs.

python -m use measures output/digits
python -m use export output/digits --output digits.onnx
python -m use ood output/digits/predictions.npz output/others.npz
"""

import argparse
import sys
from pathlib import Path

from command_line import Command, run

ENDINGS = (".npz", ".safetensors", ".onnx")


def build_parser() -> argparse.ArgumentParser:
    """The command line; needs no torch."""
    parser = Command(__doc__)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Part)
    _add_measures(commands)
    _add_ood(commands)
    _add_export(commands)
    return parser


class _Part(Command):
    """A command below `python -m use`."""

    def __init__(self, *, help_text: str = "", **how: object) -> None:
        super().__init__(help_text)
        self.prog = str(how.get("prog", self.prog))


def _add_measures(commands: argparse._SubParsersAction) -> None:
    summary = "accuracy by class, F1, likelihood, Brier and calibration of saved predictions"
    part = commands.add_parser("measures", help=summary, help_text=summary)
    part.add_argument("predictions", help="folder of a run, or a file of predictions")
    part.add_argument("--bins", type=int, default=15, help="of the calibration (default: 15)")
    part.add_argument(
        "--validation",
        default="",
        help="predictions that a temperature is fitted on (default: predictions_val.npz beside)",
    )
    part.add_argument("--output", default="", help="folder (default: that of the predictions)")
    part.add_argument("--picture", default="png", choices=("png", "svg", "pdf"), help="format")
    part.set_defaults(main=measures)


def _add_ood(commands: argparse._SubParsersAction) -> None:
    summary = "tells pictures of the classes from others: AUROC and FPR95 of MSP, MCM and energy"
    part = commands.add_parser("ood", help=summary, help_text=summary)
    part.add_argument("inside", help="predictions of pictures of the classes")
    part.add_argument("outside", help="predictions of other pictures, over the same classes")
    part.add_argument("--scores", default="", help="of msp, mcm, energy (default: all that apply)")
    part.add_argument("--output", default="", help="CSV file for the figures")
    part.set_defaults(main=ood)


def _add_export(commands: argparse._SubParsersAction) -> None:
    summary = "class features (.npz, .safetensors) or the whole model (.onnx)"
    part = commands.add_parser("export", help=summary, help_text=summary)
    part.add_argument("run", metavar="DIR", help="output folder of a run")
    part.add_argument("--output", required=True, help="file; its ending is the format")
    part.add_argument("--classnames", default="", help="other classes, as for predict.py")
    part.add_argument("--task", help="of a run of several tasks: name or number of the one")
    part.add_argument("--image", help="whose class features they are, for CoCoOp")
    part.add_argument("--load-epoch", type=int, help="epoch; -1 is the newest")
    part.add_argument("--backbone", default="", help="where CLIP's weights lie now")
    part.set_defaults(main=export)


def measures(args: argparse.Namespace) -> None:
    """Writes the report of a file of predictions and prints its figures.

    Raises:
        UserError: a line for each problem.
    """
    from tabulate import tabulate

    from use.predictions import VAL_FILE, Predictions
    from use.report import make_report, table, write_report

    source = Path(args.predictions)
    folder = source if source.is_dir() else source.parent
    test = Predictions.load(source)
    beside = Path(args.validation) if args.validation else folder / VAL_FILE
    validation = Predictions.load(beside) if args.validation or beside.is_file() else None
    reports = make_report(test, validation, number_of_bins=args.bins)
    written = write_report(
        reports,
        Path(args.output) if args.output else folder,
        about=test.about,
        ending=f".{args.picture}",
    )
    shown = table(reports).set_index("task").T
    print(tabulate(shown.reset_index().values, ["", *shown.columns], floatfmt=".4f"))
    print("\n".join(f"written: {path}" for path in written))


def ood(args: argparse.Namespace) -> None:
    """Prints AUROC and FPR95 of two files of predictions by each score.

    Raises:
        UserError: a line for each problem.
    """
    import pandas as pd
    from tabulate import tabulate

    from dassl.utils.errors import UnknownNameError
    from dassl.utils.files import atomic_write
    from use.ood import SCORES, compare
    from use.predictions import Predictions

    wanted = [name for name in args.scores.split(",") if name]
    unknown = [name for name in wanted if name not in SCORES]
    if unknown:
        raise UnknownNameError(f"--scores {unknown[0]}: use of {', '.join(SCORES)}")
    inside, outside = (Predictions.load(Path(path)) for path in (args.inside, args.outside))
    frame = pd.DataFrame(compare(inside, outside, wanted)).T.rename_axis("score").reset_index()
    print(tabulate(frame.values, list(frame.columns), floatfmt=".2f"))
    if args.output:
        atomic_write(Path(args.output), frame.to_csv(index=False))


def export(args: argparse.Namespace) -> None:
    """Writes the file that the flags ask for.

    Raises:
        UserError: a line for each problem.
    """
    from dassl.utils.errors import BadValueError
    from use.class_features import class_features
    from use.classifier import PromptClassifier
    from use.classnames import read_classnames
    from use.onnx_export import export_onnx, require_packages
    from use.runs import Changes, TrainedRun

    path = Path(args.output)
    if path.suffix not in ENDINGS:
        raise BadValueError(f"--output {path}: its name has to end in {', '.join(ENDINGS)}")
    if path.suffix == ".onnx":
        require_packages()
    found = TrainedRun.read(args.run, Changes(args.load_epoch, args.backbone))
    names = read_classnames(args.classnames)
    classifier = PromptClassifier.of(found, classnames=names, task=args.task, device="cpu")
    if path.suffix == ".onnx":
        difference = export_onnx(classifier, path)
        print(f"written: {path} (onnxruntime's logits differ by {difference:.1e} of the largest)")
    else:
        class_features(classifier, args.image).save(path)
        print(f"written: {path}")


def main(args: argparse.Namespace) -> None:
    """Runs the chosen command."""
    args.main(args)


if __name__ == "__main__":
    sys.exit(run(main, build_parser(), None))
