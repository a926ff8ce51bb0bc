"""Average the accuracy over the seed folders of one experiment, as printed in their log.txt.

    python parse_test_res.py output/base2new/train_base/dtd/shots_16/MaPLe/CFG
    python parse_test_res.py output/base2new/test_new/dtd/shots_16/MaPLe/CFG --test-log

Arguments, lines and rounding are those of the parser that came with CoOp. It reads log.txt alone,
never log.txt-<time>; result.json holds the accuracy in full.
"""

import argparse
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from runner.errors import UserError

END_OF_TRAINING = ("Finish training", "Finished training")  # public engine, older engines
END_OF_TEST = ("=> result",)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        epilog=(__doc__ or "").partition("\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", help="folder of seed folders, each with a log.txt")
    parser.add_argument(
        "--ci95", action="store_true", help="spread: 95%% confidence interval, not the deviation"
    )
    parser.add_argument("--test-log", action="store_true", help="the logs are of --eval-only runs")
    parser.add_argument(
        "--multi-exp", action="store_true", help="directory holds several such folders"
    )
    parser.add_argument("--keyword", default="accuracy", help="measure to read; default: accuracy")
    return parser


def read_log(path: Path, pattern: re.Pattern[str], end_signals: Sequence[str]) -> float | None:
    """Return the last match after an end signal, None without one."""
    ended, value = False, None
    for line in path.read_text(errors="replace").splitlines():
        text = line.strip()
        ended = ended or text in end_signals
        match = pattern.search(text)
        if match and ended:
            try:
                value = float(match.group(1))
            except ValueError:
                raise UserError(f"{path}: {match.group(1)} is not a number") from None
    return value


def parse_folder(
    directory: Path, pattern: re.Pattern[str], *, keyword: str, test_log: bool, ci95: bool
) -> float:
    """Print the values below `directory` and their mean and spread; return the mean.

    Raises:
        UserError: a sub-folder without log.txt, or no value at all.
    """
    print(f"Parsing files in {directory}")
    values = []
    for folder in subfolders(directory):
        log = folder / "log.txt"
        if not log.is_file():
            raise UserError(f"{log}: no such file; every folder in {directory} must hold a log.txt")
        value = read_log(log, pattern, END_OF_TEST if test_log else END_OF_TRAINING)
        if value is not None:
            print(f"file: {log}. {keyword}: {value:.2f}%. ")
            values.append(value)
    if not values:
        other = "without --test-log" if test_log else "with --test-log"
        raise UserError(f"Nothing found in {directory}; try {other}, or another --keyword")
    mean = sum(values) / len(values)
    std = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
    spread = 1.96 * std / math.sqrt(len(values)) if ci95 else std
    print("===")
    print(f"Summary of directory: {directory}")
    print(f"* {keyword}: {mean:.2f}% +- {spread:.2f}%")
    print("===")
    return mean


def subfolders(directory: Path) -> list[Path]:
    """Return the entries that are not hidden, sorted by name as text (seed10 before seed2).

    Raises:
        UserError: no such folder.
    """
    if not directory.is_dir():
        raise UserError(f"{directory}: no such folder")
    return sorted(path for path in directory.iterdir() if not path.name.startswith("."))


def run(args: argparse.Namespace) -> None:
    """Print what the arguments ask for.

    Raises:
        UserError: nothing to read, one line.
    """
    try:
        pattern = re.compile(rf"\* {args.keyword}: ([\.\deE+-]+)%")
    except re.error as error:
        raise UserError(f"--keyword {args.keyword}: not a regular expression: {error}") from None
    top = Path(args.directory)
    folders = subfolders(top) if args.multi_exp else [top]
    means = [
        parse_folder(folder, pattern, keyword=args.keyword, test_log=args.test_log, ci95=args.ci95)
        for folder in folders
    ]
    if args.multi_exp:
        if not means:
            raise UserError(f"Nothing found in {top}; it holds no folder")
        print("Average performance")
        print(f"* {args.keyword}: {sum(means) / len(means):.2f}%")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; exit code 2 for a mistake of the user."""
    try:
        run(build_parser().parse_args(argv))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
