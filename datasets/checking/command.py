"""`python -m datasets check`: what is in a data folder, what is missing, what is wrong."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dassl.utils.errors import UserError
from dassl.utils.files import MAX_PIXELS
from datasets.checking.dataset import check_dataset, decode_images
from datasets.checking.findings import MISSING, WARNING, WRONG, Report
from datasets.parts.folders import below_root
from datasets.parts.names import add_place, find_root, named_suites, resolve

EXIT_FAULTS = 2
_COLUMN = 20  # of the finding's level


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "check",
        help="say what of the datasets is there, missing or wrong",
        description="Says for each dataset what is there, what is missing and where to get it, and "
        "what is wrong. Exit code 0: all is well, warnings aside; 2: something is missing or wrong "
        "(a run would stop, or give wrong numbers in silence).",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="DATASET.NAME, its YAML in configs/datasets or a suite (default: the 15 published)",
    )
    add_place(parser)
    parser.add_argument("--no-images", action="store_true", help="do not decode the images")
    parser.add_argument(
        "--jobs",
        type=int,
        default=_cores(),
        help="processes that decode (default: cores, %(default)s)",
    )
    parser.add_argument(
        "--max-pixels",
        type=int,
        default=MAX_PIXELS,
        help="a larger image is wrong, as for a run with INPUT.MAX_PIXELS (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, with all paths")
    parser.set_defaults(run=run)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(args: argparse.Namespace) -> int:
    """Check the datasets and print the findings; returns the exit code.

    Raises:
        UserError: the root is no folder, a name is unknown, --folder leaves the root, --jobs is not
            positive.
    """
    if args.jobs < 1:
        raise UserError(f"--jobs {args.jobs}: use 1 or more")
    root, names = find_root(args), resolve(args.names)
    reports = []
    with _quiet():
        for one in [*names, *named_suites(args.names)]:
            report = check_dataset(one.name, root, below_root(args.folder or one.folder))
            report.name = one.label
            shown = 0 if args.json else _print_findings(report, 0)
            if not args.no_images:  # which takes minutes, so the rest is told before
                decode_images(report, args.jobs, args.max_pixels)
            if not args.json:
                _print_findings(report, shown)
            if report.findings:
                reports.append(report)
    code = 0 if all(report.complete for report in reports) else EXIT_FAULTS
    if args.json:
        content = {"root": str(root), "summary": summary(reports), "exit_code": code}
        content["datasets"] = [report.as_json() for report in reports]
        print(json.dumps(content, indent=2))
    else:
        print(printable(summary(reports)))
    return code


@contextmanager
def _quiet() -> Iterator[None]:
    """What readers log is told by findings."""
    logger = logging.getLogger("datasets")
    handlers, logger.handlers = logger.handlers, [logging.NullHandler()]
    propagate, logger.propagate = logger.propagate, False
    try:
        yield
    finally:
        logger.handlers, logger.propagate = handlers, propagate


def _print_findings(report: Report, start: int) -> int:
    """Print the findings from a place on; returns how many there are."""
    for finding in report.findings[start:]:
        line = f"{report.name:<{_COLUMN}} {finding.level:<8} {finding.text}"
        print(printable(line), flush=True)
    return len(report.findings)


def printable(text: str) -> str:
    """Text with what no terminal shows escaped: file names may hold any bytes but two."""
    encoding = sys.stdout.encoding or "utf-8"
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def summary(reports: Sequence[Report]) -> str:
    """One line: how many datasets are complete, and which are not."""
    complete = sum(report.complete for report in reports)
    verb = "is" if len(reports) == 1 else "are"
    line = f"{complete} of {len(reports)} dataset{'s' * (len(reports) != 1)} {verb} complete"
    for level in (MISSING, WRONG, WARNING):
        named = [report.name for report in reports if level in report.levels()]
        if named:
            line += f"; {level}: {', '.join(named)}"
    return line
