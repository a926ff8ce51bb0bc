"""Measures, out-of-distribution detection and export of finished runs.

python -m use measures output/digits
python -m use ood output/digits/predictions.npz output/others.npz
"""

import argparse
import sys
from pathlib import Path

from lpclip.command import Command, run


def build_parser() -> argparse.ArgumentParser:
    """The command line; needs no torch."""
    parser = Command(__doc__)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Part)
    _add_measures(commands)
    _add_ood(commands)
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
        number_of_bins=args.bins,
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


def main(args: argparse.Namespace) -> None:
    """Runs the chosen command."""
    args.main(args)


if __name__ == "__main__":
    sys.exit(run(main, build_parser(), None))
