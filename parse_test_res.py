"""Average the accuracy over the seed folders of one experiment, as printed in their log.txt.

    python parse_test_res.py output/base2new/train_base/dtd/shots_16/MaPLe/CFG
    python parse_test_res.py output/base2new/test_new/dtd/shots_16/MaPLe/CFG --test-log

Arguments, lines and rounding are those of the parser that came with CoOp, and of SoftCPT's for runs
over several tasks. It reads log.txt, and where that did not come to its end the newest
log.txt-<time> that did: a run that was started again after a crash. result.json holds the accuracy
in full, and `python -m runner tally` makes tables of it.
"""

import argparse
import math
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.errors import UserError
from runner.files.logs import logs_of
from runner.files.records import END_OF_TEST, END_OF_TRAINING

SEVERAL_TASKS = "overall_metric"  # what a run over several tasks prints in place of accuracy
NUMBER = r"([\.\deE+-]+)%"
TASK = re.compile(rf"\* task: (\d+) .*\bmetric: {NUMBER}")


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
    parser.add_argument(
        "--keyword", help="measure to read; default: accuracy, or overall_metric of several tasks"
    )
    return parser


@dataclass
class Log:
    """What a log says after its end signal: the last value of each keyword asked for, and the last
    metric of each task by its number."""

    values: dict[str, float] = field(default_factory=dict)
    tasks: dict[int, float] = field(default_factory=dict)


def read_log(path: Path, keywords: Sequence[str], end_signals: Sequence[str]) -> Log:
    """Read a log.

    Raises:
        UserError: a value that is no number, or a file that cannot be read.
    """
    patterns = {keyword: re.compile(rf"\* {keyword}: {NUMBER}") for keyword in keywords}
    log, ended = Log(), False
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    for line in lines:
        text = line.strip()
        ended = ended or text in end_signals
        if not ended:
            continue
        for keyword, pattern in patterns.items():
            if match := pattern.search(text):
                log.values[keyword] = _number(match.group(1), path)
        if match := TASK.search(text):
            log.tasks[int(match.group(1))] = _number(match.group(2), path)
    return log


def _number(word: str, path: Path) -> float:
    try:
        return float(word)
    except ValueError:
        raise UserError(f"{path}: {word} is not a number") from None


def parse_folder(
    directory: Path, keywords: Sequence[str], *, test_log: bool, ci95: bool
) -> tuple[str, float]:
    """Print the values below `directory` and their mean and spread, and those of each task.

    Args:
        keywords: in order of preference; the first that a log holds is read from all.

    Returns:
        the keyword read, and the mean.

    Raises:
        UserError: a sub-folder without log.txt, or no value at all.
    """
    print(f"Parsing files in {directory}")
    logs: dict[Path, Log] = {}
    for folder in subfolders(directory):
        path = folder / "log.txt"
        if not path.is_file():
            raise UserError(
                f"{path}: no such file; every folder in {directory} must hold a log.txt"
            )
        ends = END_OF_TEST if test_log else END_OF_TRAINING
        log = read_log(path, keywords, ends)
        if not log.values:  # crashed: the newest of the other logs that came to its end counts
            others = (each for each in logs_of(folder) if each != path)
            read = ((each, read_log(each, keywords, ends)) for each in others)
            path, log = next((found for found in read if found[1].values), (path, log))
        logs[path] = log
    found = {keyword for log in logs.values() for keyword in log.values}
    keyword = next((keyword for keyword in keywords if keyword in found), "")
    if not keyword:
        other = "without --test-log" if test_log else "with --test-log"
        raise UserError(f"Nothing found in {directory}; try {other}, or another --keyword")
    values = []
    tasks: dict[int, list[float]] = defaultdict(list)
    for path, log in logs.items():
        if keyword in log.values:
            print(f"file: {path}. {keyword}: {log.values[keyword]:.2f}%. ")
            values.append(log.values[keyword])
        for number, value in log.tasks.items():
            tasks[number].append(value)
    mean = sum(values) / len(values)
    print("===")
    print(f"Summary of directory: {directory}")
    print(f"* {keyword}: {mean:.2f}% +- {_spread(values, ci95=ci95):.2f}%")
    print("===")
    if tasks:
        print("===")
        print("per task results:")
        for number, each in sorted(tasks.items()):
            spread = _spread(each, ci95=ci95)
            print(f"* {number}: {sum(each) / len(each):.2f}% +- {spread:.2f}%")
        print("===")
    return keyword, mean


def _spread(values: Sequence[float], *, ci95: bool) -> float:
    """The population standard deviation, or the half width of the 95% confidence interval."""
    mean = sum(values) / len(values)
    std = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
    return 1.96 * std / math.sqrt(len(values)) if ci95 else std


def subfolders(directory: Path) -> list[Path]:
    """Return the entries that are not hidden, sorted by name as text (seed10 before seed2).

    Raises:
        UserError: no such folder, or one that cannot be read.
    """
    if not directory.is_dir():
        what = "a file" if directory.exists() else "no such folder"
        raise UserError(f"{directory}: {what}; give the folder of seeds")
    try:
        return sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UserError(f"{directory}: cannot be read: {error.strerror}") from error


def run(args: argparse.Namespace) -> None:
    """Print what the arguments ask for.

    Raises:
        UserError: nothing to read, one line.
    """
    keywords = [args.keyword] if args.keyword else [SEVERAL_TASKS, "accuracy"]
    try:
        re.compile(keywords[0])
    except re.error as error:
        raise UserError(f"--keyword {args.keyword}: not a regular expression: {error}") from None
    top = Path(args.directory)
    folders = subfolders(top) if args.multi_exp else [top]
    means = defaultdict(list)
    for folder in folders:
        keyword, mean = parse_folder(folder, keywords, test_log=args.test_log, ci95=args.ci95)
        means[keyword].append(mean)
    if args.multi_exp:
        if not means:
            raise UserError(f"Nothing found in {top}; it holds no folder")
        print("Average performance")
        for keyword, values in means.items():
            print(f"* {keyword}: {sum(values) / len(values):.2f}%")


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
