"""Linear probe, stage 2: few-shot logistic regression on the features of stage 1.

    python lpclip/linear_probe.py --dataset OxfordPets --feature_dir clip_feat --num_run 3

    python lpclip/linear_probe.py --dataset general10 --task-id 3 --num_run 3 \\
        --feature_dir output/lpclip/general10/rn50/3

The first reads clip_feat/OxfordPets and reports accuracy in report/clip_feat_s8r3.txt (mean over
runs), ..._details.txt (every round) and .csv. The second reads and reports in the task's folder,
lp_s8r3.txt and so on, by the task's own metric. Text files are added to; the table has a row for
each dataset, task, metric and number of shots.
"""

import argparse
import csv
import difflib
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from command_line import Command, run
from dassl.utils.errors import BadFileError, BadValueError, MissingFileError
from dassl.utils.files import atomic_write
from lpclip.feature_files import SPLITS, load_features

if TYPE_CHECKING:
    from trainers.parts.probe_search import Images, Round

SHOTS = (1, 2, 4, 8, 16)  # KgCoOp's copy: 4 and 16

# SoftCPT's metric of a dataset, or of a joint dataset's tasks; the others have "overall_acc".
MEAN_ACC = ("oxford_pets", "oxford_flowers", "fgvc_aircraft", "caltech101", "fashion20")
MEAN_ACC_TASKS = {"general10": (0, 3, 5, 6)}
OTHER = {"mean_acc": "overall_acc", "overall_acc": "mean_acc"}


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = Command(__doc__)
    add = parser.add_argument
    add("--dataset", required=True, help="folder below --feature_dir, or SoftCPT's dataset name")
    add("--num_step", type=int, default=8, help="rounds of the search (default: %(default)s)")
    add("--num_run", type=int, default=10, help="runs, seeds 1, 2, ... (default: %(default)s)")
    add("--feature_dir", default="clip_feat", help="folder of stage 1 (default: %(default)s)")
    add("--task-id", type=int, default=-1, help="task of a joint dataset")
    ours = parser.add_argument_group("not in the published programs")
    add = ours.add_argument
    add("--shots", type=int, nargs="+", default=list(SHOTS), help="(default: 1 2 4 8 16)")
    add("--metric", choices=list(OTHER), help="(default: as published for the dataset)")
    swapped = "compute each metric under the other's name, as SoftCPT's program does"
    add("--swap-metrics", action="store_true", help=swapped)
    add("--report-dir", default="report", help="of the first form (default: %(default)s)")
    return parser


@dataclass(frozen=True)
class Report:
    """What is computed and how it is told.

    Args:
        stem: path of the report files without their endings.
        metric: name of what is computed.
        lists_runs: SoftCPT's form, whose summary line names every run.
    """

    dataset: str
    task: int
    stem: Path
    metric: str
    lists_runs: bool

    def round_lines(self, shots: int, number: int, found: "Round", test: float) -> list[str]:
        """What the published programs print of a round."""
        return [
            f"{self.dataset}, {shots} Shot, Round {number}: {found.left}/{found.right}",
            f"Val accuracy (Left): {100 * found.fit_left.val:.2f}",
            f"Val accuracy (Right): {100 * found.fit_right.val:.2f}",
            f"Test Accuracy: {test:.2f}",
        ]

    def detail_line(self, shots: int, seed: int, found: "Round", test: float) -> str:
        """A round's line in the details file."""
        weight = f"weight {found.strength}, test_acc {test:.2f}"
        return f"{self.dataset}, seed {seed}, {shots} shot, {weight}\n"

    def summary_line(self, shots: int, results: Sequence[float]) -> str:
        """The line of a number of shots: mean and population standard deviation over runs."""
        stat = f"Test acc stat: {np.mean(results):.2f} ({np.std(results):.2f})\n"
        if self.lists_runs:
            return f"{self.dataset}, {shots} Shot; {','.join(map(str, results))}; {stat}"
        return f"{self.dataset}, {shots} Shot, {stat}"

    def append(self, ending: str, line: str) -> None:
        """Adds a line to `<stem><ending>`."""
        path = self.stem.with_name(self.stem.name + ending)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8") as file:
            file.write(line)

    def write_row(self, shots: int, results: Sequence[float]) -> None:
        """Puts the row of a number of shots into `<stem>.csv`, in place of an earlier one."""
        path = self.stem.with_name(self.stem.name + ".csv")
        task = "" if self.task < 0 else str(self.task)
        key = [self.dataset, task, self.metric, str(shots)]
        runs = [f"run{number}" for number in range(1, len(results) + 1)]
        header = ["dataset", "task", "metric", "shots", "mean", "std", *runs]
        rows = []
        if path.is_file():
            rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))[1:]
        numbers = [np.mean(results), np.std(results), *results]
        rows = [row for row in rows if row[:4] != key] + [[*key, *map(str, numbers)]]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([header, *rows])
        atomic_write(path, text.getvalue())


Arrays = Mapping[str, Mapping[str, np.ndarray]]  # split -> what its npz file holds


def find_folder(args: argparse.Namespace) -> tuple[Path, bool]:
    """The folder of the features, and whether the call has SoftCPT's form: they lie in FEATURE_DIR
    itself, CoOp's in FEATURE_DIR/DATASET.

    Raises:
        UserError: there is no such folder, or an option does not fit the form.
    """
    base = Path(args.feature_dir)
    below = base / args.dataset
    softcpt = args.task_id >= 0 or (not below.is_dir() and (base / "train.npz").is_file())
    folder = base if softcpt else below
    if not folder.is_dir():
        there = sorted(path.name for path in base.glob("*/")) if base.is_dir() else []
        near = difflib.get_close_matches(args.dataset, there, n=1)
        hint = f"did you mean {near[0]}?" if near else f"{base} has {', '.join(there) or 'none'}"
        raise MissingFileError(
            f"no folder {folder}; {hint}; features are made by lpclip/feat_extractor.py"
        )
    if args.swap_metrics and not softcpt:
        raise BadValueError(
            "--swap-metrics is for SoftCPT's form (--task-id): CoOp's program knows plain accuracy "
            "only; --metric takes another"
        )
    return folder, softcpt


def find_report(args: argparse.Namespace, folder: Path, softcpt: bool, arrays: Arrays) -> Report:
    """What the call computes, and where it goes."""
    name = f"s{args.num_step}r{args.num_run}"
    stem = Path(args.report_dir) / f"{Path(args.feature_dir).resolve().name}_{name}"
    metric = "overall_acc"
    if softcpt:
        stem = folder / f"lp_{name}"
        written = arrays["test"].get("metric")  # by stage 1; published files lack it
        metric = task_metric(args.dataset, args.task_id) if written is None else str(written)
    metric = args.metric or metric
    metric = OTHER[metric] if args.swap_metrics else metric
    return Report(args.dataset, args.task_id, stem, metric, lists_runs=softcpt)


def task_metric(dataset: str, task: int) -> str:
    """SoftCPT's metric."""
    mean = dataset in MEAN_ACC or task in MEAN_ACC_TASKS.get(dataset, ())
    return "mean_acc" if mean else "overall_acc"


def load_arrays(folder: Path) -> Arrays:
    """The arrays of train, val and test.

    Raises:
        UserError: a file is missing, broken, or of another backbone than the others.
    """
    arrays = {split: load_features(folder / f"{split}.npz") for split in SPLITS}
    kinds = {}
    for split, found in arrays.items():
        name, digest = found.get("backbone", ("a backbone not named", ""))
        kinds[split] = (found["feature_list"].shape[1], str(name), str(digest))
    for split, kind in kinds.items():
        first = kinds["train"]
        if kind[0] != first[0] or (kind[2] != first[2] and kind[2] and first[2]):
            raise BadFileError(
                f"{folder}: {split}.npz holds {kind[0]} features of {kind[1]}, train.npz "
                f"{first[0]} of {first[1]}; extract both with one backbone"
            )
    return arrays


def probe(
    report: Report, images: Sequence["Images"], shots: int, seed: int, num_steps: int
) -> float:
    """One run: draws, searches, prints; returns the last round's test metric in percent."""
    from trainers.parts.probe_search import METRICS, Search, draw

    train, val, test = images
    metric = METRICS[report.metric]
    print(f"-- Seed: {seed} {'-' * 62}")
    in_train, in_val = draw(train.labels, val.labels, shots, seed)
    search = Search(train[in_train], val[in_val], metric)
    print(search.grid, flush=True)
    result = 0.0
    for number, found in enumerate(search.rounds(num_steps)):
        result = 100 * metric(found.best.classifier.predict(test.features), test.labels)
        print(*report.round_lines(shots, number, found, result), sep="\n", flush=True)
        report.append("_details.txt", report.detail_line(shots, seed, found, result))
    return result


def main(args: argparse.Namespace) -> None:
    """All numbers of shots, all runs.

    Raises:
        UserError: a mistake of the user.
    """
    for option in ("num_step", "num_run"):
        if getattr(args, option) < 1:
            raise BadValueError(f"--{option} {getattr(args, option)}: use 1 or more")
    folder, softcpt = find_folder(args)
    arrays = load_arrays(folder)
    from trainers.parts.probe_search import Images

    report = find_report(args, folder, softcpt, arrays)
    images = [
        Images(a["feature_list"].astype(np.float64), a["label_list"]) for a in arrays.values()
    ]
    seeds = range(1, args.num_run + 1)
    for shots in args.shots:
        results = [probe(report, images, shots, seed, args.num_step) for seed in seeds]
        line = report.summary_line(shots, results)
        print(line, flush=True)
        report.append(".txt", line)
        report.write_row(shots, results)


if __name__ == "__main__":
    sys.exit(run(main, build_parser(), None))
