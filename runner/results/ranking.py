"""The table that ranks the points of a grid, by accuracy on validation images unless test images
are asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.files.records import RunResult, percent, read_record
from runner.plan.grid import TEST
from runner.plan.jobs import Job, Study
from runner.results.stats import Spread, Summary, mean, spread
from runner.show.published_csv import quoted
from runner.show.screen import OWN_SPLIT, ranked, ranking_columns, tabulated

CHOSEN_ON_TEST = "chosen on test images"
CHOSEN_ON_VALIDATION = "chosen on validation images"


@dataclass(frozen=True)
class Entry:
    """A point in the ranking.

    Attributes:
        validation: accuracy on validation images, mean over datasets, spread over seeds; None
            where nothing is known.
        whole: whether no run is missing.
    """

    study: Study
    summary: Summary
    validation: Spread | None
    whole: bool


@dataclass(frozen=True)
class Ranking:
    """The points, best first where `why_not` is empty, else as they were named.

    Attributes:
        without: datasets without validation images, which no point is judged by.
        why_not: why nothing can be ranked.
    """

    entries: tuple[Entry, ...]
    by_test: bool
    without: tuple[str, ...] = ()
    why_not: str = ""


def rank(
    studies: Sequence[Study],
    summaries: Sequence[Summary],
    results: Mapping[str, RunResult],
    rank_by: str,
) -> Ranking:
    """Rank the points of one grid; `summaries` are those of `studies`. Points with a missing run
    come last, since their means are over other runs."""
    values = {job.name: _validation(job) for job in _trainings(studies) if job.name in results}
    without = _without_images(studies, values)
    entries = [
        _entry(study, summary, values, without, results)
        for study, summary in zip(studies, summaries, strict=True)
    ]
    by_test = rank_by == TEST
    why_not = "" if by_test else _why_not(entries, values, without)
    if by_test:
        place = {each.label: number for number, each in enumerate(ranked(summaries))}
        entries.sort(key=lambda entry: (not entry.whole, place[entry.summary.label]))
    elif not why_not:
        entries.sort(key=lambda entry: (not entry.whole, -_mean(entry.validation)))
    return Ranking(tuple(entries), by_test, tuple(without), why_not)


def render_grid(ranking: Ranking) -> str:
    """Return the table and the sentences that say how to read it."""
    keys = _keys(ranking)
    columns = ranking_columns([entry.summary for entry in ranking.entries])
    tests = [f"test {heading}" for heading, _, _ in columns]
    headers = [*keys, "validation", *tests]
    rows = [
        [
            *(word for _, word in entry.study.point.values),
            _cell(entry.validation, entry.whole),
            *(_cell(entry.summary.cells.get((line.name, m)), True) for _, line, m in columns),
        ]
        for entry in ranking.entries
    ]
    text = tabulated(rows, headers, [*keys, *headers[len(keys) :]])
    return "\n".join([text, "", *_sentences(ranking)])


def grid_csv(ranking: Ranking) -> str:
    """Return the table as CSV; `chosen_on` says which images ranked it, empty where none could."""
    columns = ranking_columns([entry.summary for entry in ranking.entries])
    header = [*_keys(ranking), "val_acc", "val_acc_std", "runs_missing"]
    header += [f"test_{heading.replace(' ', '_')}" for heading, _, _ in columns]
    chosen = "" if ranking.why_not else "test images" if ranking.by_test else "validation images"
    lines = [[*header, "chosen_on"]]
    for entry in ranking.entries:
        found = [entry.summary.cells.get((line.name, measure)) for _, line, measure in columns]
        validation = entry.validation
        lines.append(
            [
                *(word for _, word in entry.study.point.values),
                *([f"{validation.mean:.2f}", f"{validation.std:.2f}"] if validation else ["", ""]),
                "no" if entry.whole else "yes",
                *(f"{cell.mean:.2f}" if cell else "" for cell in found),
                chosen,
            ]
        )
    return "".join(",".join(map(quoted, line)) + "\n" for line in lines)


def _trainings(studies: Sequence[Study]) -> list[Job]:
    return [job for study in studies for job in study.jobs if job.kind == "train"]


def _validation(job: Job) -> float | None:
    return percent(read_record(job.folder).get("val_accuracy"))


def _without_images(studies: Sequence[Study], values: Mapping[str, float | None]) -> list[str]:
    """Return the datasets of which no finished training has an accuracy on validation images."""
    found: dict[str, list[float | None]] = {}
    for job in _trainings(studies):
        if job.name in values:
            found.setdefault(job.dataset, []).append(values[job.name])
    return [name for name, each in found.items() if all(value is None for value in each)]


def _entry(
    study: Study,
    summary: Summary,
    values: Mapping[str, float | None],
    without: Sequence[str],
    results: Mapping[str, RunResult],
) -> Entry:
    by_seed: dict[int, list[float]] = {}
    counted = [job for job in _trainings([study]) if job.dataset not in without]
    for job in counted:
        value = values.get(job.name)
        if value is not None:
            by_seed.setdefault(job.seed, []).append(value)
    whole = all(job.name in results for job in study.jobs) and all(
        values.get(job.name) is not None for job in counted
    )
    each = [mean(found) for found in by_seed.values()]
    return Entry(study, summary, spread(each) if each else None, whole)


def _why_not(
    entries: Sequence[Entry], values: Mapping[str, float | None], without: Sequence[str]
) -> str:
    if any(entry.validation for entry in entries):
        return ""
    if not _trainings([entry.study for entry in entries]):
        return "nothing is trained, so nothing is validated"
    if not values:
        return "no training has ended"
    return f"no validation images of {', '.join(without)}"


def _sentences(ranking: Ranking) -> list[str]:
    lines = ["Accuracy in percent; validation: mean over datasets and seeds ± standard deviation."]
    if ranking.by_test:
        lines.append(f"{CHOSEN_ON_TEST.capitalize()}: these are no results to report.")
    elif ranking.why_not:
        lines.append(
            f"Ranking is not possible: {ranking.why_not}. The points stand in the order of the "
            "grid; --rank-by test ranks them on test images."
        )
    else:
        lines.append("Ranked on validation images; the accuracy on test images had no part in it.")
        if ranking.without:
            names = ", ".join(ranking.without)
            lines.append(f"Without validation images, and so without part in it: {names}.")
    if not all(entry.whole for entry in ranking.entries):
        lines.append("* behind a number: runs are missing; the point stands behind the others.")
    best = ranking.entries[0]
    if not ranking.why_not and best.whole:
        words = " ".join(word for pair in best.study.point.values for word in pair)
        how = CHOSEN_ON_TEST if ranking.by_test else CHOSEN_ON_VALIDATION
        equal = 0 if ranking.by_test else _as_good(ranking) - 1
        others = f"; as good: the {equal} below it" if equal else ""
        lines.append(f"Best: {words} ({how}){others}.")
    if any(entry.summary.own_splits for entry in ranking.entries):
        lines.append(f"Some datasets have a split of their own: {OWN_SPLIT}.")
    return lines


def _as_good(ranking: Ranking) -> int:
    """Return how many points have the first one's accuracy on validation images."""
    best = _mean(ranking.entries[0].validation)
    return sum(entry.whole and _mean(entry.validation) == best for entry in ranking.entries)


def _keys(ranking: Ranking) -> list[str]:
    return [key for key, _ in ranking.entries[0].study.point.values]


def _mean(found: Spread | None) -> float:
    return found.mean if found else -1.0


def _cell(found: Spread | None, whole: bool) -> str:
    if found is None:
        return "-" if whole else "-*"
    deviation = f" ± {found.std:4.2f}" if found.count > 1 else ""
    return f"{found.mean:.2f}{deviation}{' ' if whole else '*'}"
