"""What `python -m use measures` writes of a run's saved predictions.

measures.json     all figures and the bins of the diagram, those after temperature scaling apart;
                  of all classes of a dataset also its halves (`use.together`)
measures.csv      the same, a row for each task and temperature
per_class.csv     a row for each class
confusion.csv     counts, rows the truth; with tasks confusion_<task>.csv
reliability.png   the diagram; with a temperature reliability_scaled.png beside it
"""

import io
import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from dassl.utils.files import atomic_write
from use.calibration import check_same_classes, fit_temperature
from use.drawing import check_ending, reliability
from use.measures import Bins, by_class, confusion, measures_and_bins
from use.predictions import Predictions
from use.together import base_and_new

MEASURES_FILE = "measures.json"


@dataclass(frozen=True)
class TaskReport:
    """The figures of one task, or of the only one, whose name is "".

    Attributes:
        plain: `measures` of the logits as they are; `bins` those of its reliability diagram.
        temperature: fitted on validation pictures; None without them.
        scaled: `measures` after it, {} without it; `scaled_bins` its bins.
    """

    name: str
    test: Predictions
    plain: dict[str, Any]
    bins: Bins
    temperature: float | None = None
    scaled: dict[str, Any] = field(default_factory=dict)
    scaled_bins: Bins | None = None


def make_report(
    test: Predictions, validation: Predictions | None, *, number_of_bins: int
) -> list[TaskReport]:
    """The report of each task.

    Raises:
        UserError: a picture has no label, or validation and test do not belong together.
    """
    fitted = {}
    if validation is not None:
        check_same_classes(validation, test)
        fitted = {name: fit_temperature(part) for name, part in validation.by_task()}
    reports = []
    for name, part in test.by_task():
        report = TaskReport(name, part, *measures_and_bins(part, number_of_bins=number_of_bins))
        if (temperature := fitted.get(name)) is not None:
            scaled, bins = measures_and_bins(
                part, number_of_bins=number_of_bins, temperature=temperature
            )
            report = replace(report, temperature=temperature, scaled=scaled, scaled_bins=bins)
        reports.append(report)
    return reports


def write_report(
    reports: list[TaskReport],
    folder: Path,
    *,
    about: dict[str, Any],
    ending: str = ".png",
) -> list[Path]:
    """Writes the files of a report into a folder; returns their paths.

    Raises:
        UserError: a file cannot be written, or pictures cannot have this ending.
    """
    check_ending(Path(f"x{ending}"))
    written = [write_measures(reports, folder, about=about)]
    written.append(_csv(folder / "measures.csv", table(reports)))
    classes = [{"task": r.name, **row} for r in reports for row in by_class(r.test)]
    written.append(_csv(folder / "per_class.csv", pd.DataFrame(classes)))
    for report in reports:
        mark = f"_{re.sub('[^a-z0-9]+', '_', report.name.lower())}" if report.name else ""
        names = list(report.test.classnames)
        counts = pd.DataFrame(confusion(report.test), index=names, columns=names)
        written.append(_csv(folder / f"confusion{mark}.csv", counts.reset_index(names="class")))
        title = f"{report.test.about.get('trainer', '')} {report.name}".strip()
        written.append(folder / f"reliability{mark}{ending}")
        reliability(report.bins, title, written[-1])
        if report.scaled_bins is not None:
            written.append(folder / f"reliability_scaled{mark}{ending}")
            said = f"{title}, temperature {report.temperature:.3g}"
            reliability(report.scaled_bins, said, written[-1])
    return written


def write_measures(reports: list[TaskReport], folder: Path, *, about: dict[str, Any]) -> Path:
    """Writes measures.json alone.

    Raises:
        UserError: it cannot be written.
    """
    number_of_bins = len(reports[0].bins.counts)
    content = {"about": about, "bins": number_of_bins, "tasks": list(map(_plain, reports))}
    path = folder / MEASURES_FILE
    atomic_write(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return path


def table(reports: list[TaskReport]) -> pd.DataFrame:
    """A row for each task and temperature: 1 is the published computation."""
    rows = []
    for report in reports:
        rows.append({"task": report.name, "temperature": 1.0, **report.plain})
        if report.temperature is not None:
            rows.append({"task": report.name, "temperature": report.temperature, **report.scaled})
    return pd.DataFrame(rows)


def _plain(report: TaskReport) -> dict[str, Any]:
    content: dict[str, Any] = {
        "task": report.name,
        "measures": report.plain,
        "reliability": report.bins.plain(),
    }
    if (both := base_and_new(report.test)) and not report.name:
        content["base_and_new"] = both
    if report.scaled_bins is not None:
        content["temperature_scaling"] = {
            "temperature": report.temperature,
            "measures": report.scaled,
            "reliability": report.scaled_bins.plain(),
        }
    return content


def _csv(path: Path, frame: pd.DataFrame) -> Path:
    buffer = io.StringIO()
    frame.to_csv(buffer, index=False)
    atomic_write(path, buffer.getvalue())
    return path
