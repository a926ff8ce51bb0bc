"""`python -m runner report DIR...`: one HTML page, and the same tables as LaTeX and Markdown."""

import argparse
import datetime
from pathlib import Path

from runner.errors import UserError, did_you_mean
from runner.files.writing import atomic_write, shown
from runner.results.table import load_runs
from runner.show.page.document import make_report, render
from runner.show.tally_command import require_result


def run(args: argparse.Namespace) -> int:
    """Write the files.

    Raises:
        UserError: no run, no result, two outputs of one name, or no such baseline; one line.
    """
    files = [Path(name).expanduser() for name in (args.out, args.latex, args.markdown) if name]
    if len({path.resolve() for path in files}) < len(files):
        raise UserError("--out, --latex and --markdown name the same file twice; name one each")
    runs = load_runs(*args.folders)
    require_result(runs, " ".join(args.folders))
    report = make_report(args.folders, runs, args.baseline)
    known = {name for s in report.sections for m in s.methods for name in (m.label, m.trainer)}
    if args.baseline and args.baseline not in known:
        raise UserError(
            f"--baseline {args.baseline}: no such method{did_you_mean(args.baseline, known)}"
        )
    made = datetime.datetime.now().astimezone().strftime("Written %Y-%m-%d %H:%M %Z.")
    for name, what, template in (
        (args.out, "page:    ", "page.html"),
        (args.latex, "LaTeX:   ", "tables.tex"),
        (args.markdown, "Markdown:", "tables.md"),
    ):
        if name:
            path = Path(name).expanduser()
            atomic_write(path, render(report, template, made=made))
            print(f"{what} {shown(path)}")
    return 0
