"""What runs cost, how they were configured, and which have left no result."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.files.records import mistake_in, tail
from runner.files.writing import shown
from runner.results import layouts
from runner.results.costs import COSTS
from runner.results.runs import DONE, FAILED, Run
from runner.show.page import settings
from runner.show.page.sections import Section
from runner.show.page.sheets import Entry, Sheet

TAIL = 15


@dataclass(frozen=True)
class Unfinished:
    """A run without a result.

    Attributes:
        lines: the last ones that it printed.
        source: the file they are of.
    """

    run: Run
    lines: tuple[str, ...]
    source: Path | None


def cost_sheet(section: Section) -> Sheet | None:
    """Return what the runs of each method cost: mean and range over all datasets and seeds."""
    rows = []
    for method in section.methods:
        done = [run for run in method.runs if run.state == DONE]
        entries = [_range([measure(run) for run in done], shape) for _, measure, shape in COSTS]
        devices = ", ".join(dict.fromkeys(run.device for run in done if run.device))
        if any(entry.text for entry in entries):
            name = Entry(method.label, kind="name")
            rows.append((name, *entries, Entry(str(len(done)), kind="number"), Entry(devices)))
    if not rows:
        return None
    heads = ("method", *(name for name, _, _ in COSTS), "runs", "device")
    note = "Mean over all datasets and seeds of the section, with the lowest and highest behind it."
    trained = "Seconds per epoch: of the runs that trained, validation during it included."
    return Sheet("Cost", heads, tuple(rows), (note, trained))


def _range(values: Iterable[float | None], shape: str) -> Entry:
    found = [float(value) for value in values if value is not None]
    if not found:
        return Entry("")
    mean, low, high = sum(found) / len(found), min(found), max(found)
    note = f"{low:{shape}} to {high:{shape}}" if high > low else ""
    return Entry(f"{mean:{shape}}", kind="number", note=note, order=mean)


def configuration_sheet(sections: Sequence[Section]) -> Sheet:
    """Return a row for each method of each section: with what its runs were made."""
    rows = [
        (Entry(section.title), Entry(method.label, kind="name"), *_configured(method.runs))
        for section in sections
        for method in section.methods
    ]
    heads = (
        *("protocol", "method", "trainer", "YAML", "options", "backbone", "precision", "epochs"),
        *("seeds", "split", "device", "versions", "commit"),
    )
    note = "Options: KEY VALUE words of the command line and of the experiment, by the runs' logs."
    kept, shared = [0, 1], []
    for place in range(2, len(heads)):
        values = {row[place].text for row in rows}
        if len(values) > 1:
            kept.append(place)
        elif value := values.pop():
            shared.append(f"{heads[place]} {value}")
    notes = [note] if "options" in [heads[place] for place in kept] else []
    notes += [f"The same for all: {', '.join(shared)}."] if shared else []
    return Sheet(
        "Configuration",
        tuple(heads[place] for place in kept),
        tuple(tuple(row[place] for place in kept) for row in rows),
        tuple(notes),
    )


def _configured(runs: Sequence[Run]) -> Iterable[Entry]:
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for run in runs:
        head = settings.read(run.config)
        versions = " ".join(f"{k} {v}" for k, v in run.versions.items() if v != "None")
        for name, value in (
            ("trainer", run.trainer),
            ("cfg", run.cfg),
            ("options", head.options),
            ("backbone", settings.backbone(run, head)),
            ("precision", settings.precision(run, head) if run.state == DONE else ""),
            ("epochs", str(run.epochs) if run.trained and run.epochs is not None else ""),
            ("seeds", str(run.seed) if run.seed >= 0 else ""),
            ("split", run.split_note),
            ("device", run.device),
            ("versions", versions),
            ("commit", run.commit[:12]),
        ):
            if value:
                found[name][value] = None
    for name in ("trainer", "cfg", "options", "backbone", "precision", "epochs", "seeds"):
        yield Entry((" " if name == "seeds" else "; ").join(sorted(found[name], key=_natural)))
    for name in ("split", "device", "versions", "commit"):
        yield Entry("; ".join(found[name]))


def _natural(text: str) -> tuple[int, str]:
    return (int(text), "") if text.isdigit() else (-1, text)


def unfinished(runs: Sequence[Run]) -> list[Unfinished]:
    """Return the runs without a result, failed ones first, with their last lines."""
    left = [run for run in runs if run.state != DONE]
    left.sort(key=lambda run: run.state != FAILED)
    return [Unfinished(run, *_last_lines(run)) for run in left]


def _last_lines(run: Run) -> tuple[tuple[str, ...], Path | None]:
    files = [run.folder / "exceptions.txt", *([run.config] if run.config else [])]
    if place := layouts.place(run.folder.parts):
        console = place.console(run.folder)
        if said := mistake_in(console):
            return said, console
        files.insert(0, console)
    for path in files:
        if lines := tail(path, TAIL):
            return tuple(lines), path
    return (), None


def unfinished_sheet(left: Sequence[Unfinished]) -> Sheet:
    """Return a row for each run without a result."""
    rows = [
        (
            Entry(each.run.state, kind="outside" if each.run.state == FAILED else "missing"),
            Entry(each.run.experiment, kind="name"),
            Entry(_which(each.run)),
            Entry(each.run.reason),
            Entry(shown(each.run.folder)),
        )
        for each in left
    ]
    return Sheet(
        "Runs without a result", ("state", "experiment", "run", "why", "folder"), tuple(rows)
    )


def _which(run: Run) -> str:
    seed = f" seed {run.seed}" if run.seed >= 0 else ""
    subset = "" if run.subset == "all" else f" {run.subset}"
    shots = f" {run.shots} shot{'s' if run.shots > 1 else ''}" if run.shots else ""
    return f"{run.trainer} {run.dataset}{subset}{shots}{seed}"


def by_hand_sheet(runs: Sequence[Run]) -> Sheet | None:
    """Return the runs that belong to no protocol, None where there are none."""
    rows = tuple(
        (
            Entry(run.experiment, kind="name"),
            Entry(_which(run)),
            Entry(f"{run.accuracy:.2f}", kind="number", order=run.accuracy),
            Entry(shown(run.folder)),
        )
        for run in runs
        if not run.mode and run.accuracy is not None
    )
    heads = ("experiment", "run", "accuracy", "folder")
    return Sheet("Runs by hand, in no table", heads, rows) if rows else None
