"""`python -m runner report DIR...`: one HTML page, and the same tables as LaTeX and Markdown."""

import argparse
import datetime
from pathlib import Path

from runner.errors import UserError, did_you_mean
from runner.files.writing import atomic_write, shown

DEFAULT_OUT = Path("results/report.html")
EPILOG = """examples:
  python -m runner report outputs
  python -m runner report outputs/coop outputs/coop_dept --out results/coop.html --baseline coop
  python -m runner report outputs --latex results/tables.tex --markdown results/tables.md
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the words of `report`."""
    parser = commands.add_parser(
        "report",
        help="one HTML page of folders of runs, beside published figures",
        description="Tables per protocol, pictures, cost, published figures, failed runs and "
        "configuration of folders of runs, as one HTML page that loads nothing.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", nargs="+", metavar="DIR", help="folders of runs, at any height")
    parser.add_argument("--out", default=str(DEFAULT_OUT), help="the page (default: %(default)s)")
    parser.add_argument("--latex", default="", metavar="FILE", help="the tables, booktabs")
    parser.add_argument("--markdown", default="", metavar="FILE", help="the tables, pipes")
    parser.add_argument(
        "--baseline",
        default="",
        metavar="METHOD",
        help="what the bars of differences stand against: an experiment or trainer (default: for "
        "a DePT variant its plain method)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the files.

    Raises:
        UserError: no run, no result, two outputs of one name, or no such baseline; one line.
    """
    from runner.results.table import load_runs
    from runner.show.page.document import make_report, render
    from runner.show.tally_command import require_result

    files = [Path(name).expanduser() for name in (args.out, args.latex, args.markdown) if name]
    if len({path.resolve() for path in files}) < len(files):
        raise UserError("--out, --latex and --markdown name the same file twice; name one each")
    unreadable: list[Path] = []
    runs = load_runs(*args.folders, unreadable=unreadable)
    require_result(runs, " ".join(args.folders))
    report = make_report(args.folders, runs, args.baseline)
    known = {name for s in report.sections for m in s.methods for name in (m.label, m.trainer)}
    if args.baseline and args.baseline not in known:
        raise UserError(
            f"--baseline {args.baseline}: no such method{did_you_mean(args.baseline, known)}"
        )
    for path in unreadable:
        print(f"{shown(path)}: may not be read, so nothing of it is here")
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
