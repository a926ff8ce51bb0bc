"""`python -m runner report DIR...`: one HTML page, and the same tables as LaTeX and Markdown."""

import argparse
import datetime
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from runner.errors import UserError, did_you_mean
from runner.files.writing import atomic_write, shown
from runner.results.collect import DONE, Run, collect

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
    from runner.show.page import texts
    from runner.show.page.document import html_page, make_report

    files = [Path(name).expanduser() for name in (args.out, args.latex, args.markdown) if name]
    if len({path.resolve() for path in files}) < len(files):
        raise UserError("--out, --latex and --markdown name the same file twice; name one each")
    unreadable: list[Path] = []
    runs = gather([Path(name).expanduser() for name in args.folders], unreadable)
    if not any(each.state == DONE for each in runs):
        counted = Counter(each.state for each in runs)
        states = ", ".join(f"{number} {state}" for state, number in counted.items())
        raise UserError(
            f"{' '.join(args.folders)}: no run with a result; {states}, the first: "
            f"{runs[0].reason} ({shown(runs[0].folder)})"
        )
    report = make_report(args.folders, runs, args.baseline)
    _require_baseline(
        args.baseline,
        {name for s in report.sections for m in s.methods for name in (m.label, m.trainer)},
    )
    now = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    sheets = report.sheets()
    for path in unreadable:
        print(f"{shown(path)}: may not be read, so nothing of it is here")
    for name, what, text in (
        (args.out, "page:    ", html_page(report, f"Written {now}.")),
        (args.latex, "LaTeX:   ", texts.latex(sheets)),
        (args.markdown, "Markdown:", texts.markdown(sheets)),
    ):
        if name:
            atomic_write(Path(name).expanduser(), text)
            print(f"{what} {shown(Path(name).expanduser())}")
    return 0


def gather(folders: Sequence[Path], unreadable: list[Path] | None = None) -> list[Run]:
    """Return the runs of several folders, each once. An experiment's name that runs of two of them
    have is told apart by the folder's."""
    found: dict[Path, tuple[int, Run]] = {}
    for place, folder in enumerate(folders):
        for each in collect(folder, unreadable=unreadable):
            found.setdefault(each.folder.resolve(), (place, each))
    homes: dict[str, set[int]] = {}
    for place, each in found.values():
        homes.setdefault(each.experiment, set()).add(place)
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = [shown(folder.resolve()) for folder in folders]
    return [
        replace(each, experiment=f"{names[place]}/{each.experiment}")
        if len(homes[each.experiment]) > 1
        else each
        for place, each in found.values()
    ]


def _require_baseline(name: str, known: set[str]) -> None:
    if name and name not in known:
        raise UserError(f"--baseline {name}: no such method{did_you_mean(name, known)}")
