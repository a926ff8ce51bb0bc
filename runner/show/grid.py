"""The ranking of a grid's points, by accuracy on validation images unless test images are asked
for: one table for the screen and the CSV file, and what is to be said of it."""

from collections.abc import Sequence

import pandas as pd

from runner.plan.grid import TEST
from runner.results.ranking import ranked, ranking_columns
from runner.results.tables import Table
from runner.show.published_csv import mean_text
from runner.show.text import OWN_SPLIT, odd_lines


def rank(tables: Sequence[Table], rank_by: str) -> tuple[pd.DataFrame, list[str]]:
    """Return a row of texts for each point of one grid, the best first, and sentences that say how
    to read them. Points with a missing run come last, since their means are over other runs; where
    nothing can be ranked, they stand as they were named and `chosen_on` is empty.

    Args:
        rank_by: images whose accuracy ranks.
    """
    runs = pd.DataFrame(
        [
            (place, row["dataset"], row["seed"], row["val_accuracy"])
            for place, table in enumerate(tables)
            for row in table.runs
            if row["trained"]
        ],
        columns=["point", "dataset", "seed", "accuracy"],
    )
    images = runs.groupby("dataset", sort=False)["accuracy"].count()
    without = ", ".join(images.index[images == 0])
    judged = runs[runs["dataset"].isin(images.index[images > 0])]
    seeds = judged.dropna().groupby(["point", "seed"])["accuracy"].mean().groupby("point")
    mean, std = (each.reindex(range(len(tables))) for each in (seeds.mean(), seeds.std(ddof=0)))
    lacking = set(judged["point"][judged["accuracy"].isna()])
    missing = [bool(each.absent) or place in lacking for place, each in enumerate(tables)]
    by_test, known = rank_by == TEST, bool(mean.notna().any())
    found = pd.DataFrame([dict(table.point.values) for table in tables])
    keys = list(map(str, found))
    found["val_acc"], found["val_acc_std"] = (
        [f"{value:.2f}" if value == value else "" for value in values] for values in (mean, std)
    )
    found["runs_missing"] = ["yes" if each else "no" for each in missing]
    for heading, line, measure in ranking_columns(tables):
        texts = [mean_text(table, line.name, measure) for table in tables]
        found[f"test_{heading.replace(' ', '_')}"] = texts
    found["chosen_on"] = "test images" if by_test else "validation images" if known else ""
    places = {id(table): place for place, table in enumerate(ranked(tables))}
    scores = [places[id(table)] for table in tables] if by_test else -mean.fillna(-1.0)
    if by_test or known:
        order = pd.DataFrame({"missing": missing, "score": scores})
        found = found.loc[order.sort_values(["missing", "score"], kind="stable").index]
    own = any(table.own_splits for table in tables)
    doubts = [f"Some datasets have a split of their own: {OWN_SPLIT}."] if own else []
    return found, _sentences(found, keys, without) + doubts + odd_lines(tables)


def _sentences(found: pd.DataFrame, keys: list[str], without: str) -> list[str]:
    best = found.iloc[0]
    if not best["chosen_on"]:
        reason = "nothing is trained, so nothing is validated"
        reason = f"no validation images of {without}" if without else reason
        return [
            f"Ranking is not possible: {reason}. The points stand in the order of the grid; "
            "--rank-by test ranks them on test images."
        ]
    lines = ["Chosen on test images: these are no results to report."]
    if best["chosen_on"] != "test images":
        lines = ["Ranked on validation images; the accuracy on test images had no part in it."]
        if without:
            lines.append(f"Without validation images, and so without part in it: {without}.")
    if best["runs_missing"] == "no":
        words = " ".join(f"{key} {best[key]}" for key in keys)
        lines.append(f"Best: {words} (chosen on {best['chosen_on']}).")
    return lines
