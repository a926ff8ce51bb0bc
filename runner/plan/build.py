"""From one experiment in one mode to its calls of train.py, and the tables that they fill."""

import re
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

from runner.errors import UserError, did_you_mean
from runner.files.consoles import console_file
from runner.files.writing import shown
from runner.plan import demo
from runner.plan.archive import checkpoint_id, open_archive, seed_folder
from runner.plan.experiment import Experiment, trainer_yaml
from runner.plan.grid import Point
from runner.plan.jobkey import job_key, weights_id
from runner.plan.jobs import ANY, BOTH, Job, Study
from runner.plan.modes import Mode

ACCURACY = "accuracy"


class Workspace(NamedTuple):
    """Where things lie.

    Attributes:
        repo: folder of configs/ and train.py.
        data: data root, passed on as --root.
        outputs, results: folders that take runs and tables.
        train_command: program and script that every job starts with.
    """

    repo: Path
    data: str
    outputs: Path
    results: Path
    train_command: tuple[str, ...]


class Run(NamedTuple):
    """What one run trains or tests on."""

    kind: str
    subset: str
    dataset: str
    shots: int
    seed: int


@lru_cache(maxsize=1024)
def dataset_yaml(repo: Path, dataset: str) -> Path:
    """Return the path of a dataset's YAML."""
    return repo / "configs/datasets" / f"{dataset}.yaml"


def shots_column(shots: int) -> str:
    """Return the heading of a column of the few-shot table."""
    return f"{shots} shot{'' if shots == 1 else 's'}"


@dataclass(frozen=True)
class Builder:
    """Makes the studies of one experiment in one mode, at one point of a grid, whose options win
    over the command line's, and those over the entry's."""

    experiment: Experiment
    mode: Mode
    place: Workspace
    chosen: Namespace
    point: Point

    @cached_property
    def archive(self) -> Path | None:
        """Folder of checkpoints to evaluate in place of training."""
        if not self.chosen.weights:
            return None
        folder = open_archive(self.chosen.weights, self.mode)
        if self.experiment.zero_shot:
            name = self.experiment.name
            raise UserError(f"--weights has no effect with {name}, which trains nothing")
        return folder

    @cached_property
    def source(self) -> str:
        """The dataset that xd and dg train on."""
        if not self.mode.transfer:
            return ""
        return demo.DATASETS[0] if self.chosen.demo else self.experiment.source

    @cached_property
    def datasets(self) -> tuple[str, ...]:
        """Those that are tested, beside the source."""
        names = self.chosen.datasets or self.experiment.datasets[self.mode.datasets]
        if self.chosen.demo and not self.chosen.datasets:
            names = demo.datasets(self.mode, multi_task=self.experiment.multi_task)
        return tuple(name for name in names if name != self.source)

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """Zero-shot sees no training image: one seed says it all."""
        seeds = self.chosen.seeds or self.experiment.seeds
        return seeds[:1] if self.experiment.zero_shot else seeds

    def studies(self) -> list[Study]:
        """Return a study for each number of shots; in mode fs one, whose table has a column for
        each.

        Raises:
            UserError: a dataset or method without a YAML, an archive that cannot be used.
        """
        entry, by_shots = self.experiment, self.mode.table == "shots"
        self._require_datasets()
        shots = self.chosen.shots or self.mode.shots or (entry.shots,)
        if entry.zero_shot and not by_shots:
            shots = (entry.shots,)
        return [self._study(each) for each in ([shots] if by_shots else zip(shots))]

    def _require_datasets(self) -> None:
        repo, owner = self.place.repo, self.experiment.name
        names = [self.source, *self.datasets] if self.source else self.datasets
        missing = [name for name in names if not dataset_yaml(repo, name).is_file()]
        if missing:
            known = [path.stem for path in dataset_yaml(repo, "").parent.glob("*.yaml")]
            near = {f"{name}.yaml": did_you_mean(name, known) for name in missing}
            raise UserError([f"{owner}: no file configs/datasets/{n}{near[n]}" for n in near])

    def _study(self, shots: Sequence[int]) -> Study:
        """Return the study at one number of shots, or with a column for each of several."""
        entry, mode = self.experiment, self.mode
        # Zero-shot is one run per dataset, whose accuracy stands in every column.
        made = self._jobs((entry.shots,) if entry.zero_shot else shots)
        label, tables = self._owner, {}
        columns: tuple[str, ...] = (ACCURACY,)
        if mode.table == "shots":
            columns, stem = tuple(map(shots_column, shots)), f"fs-{entry.trainer}"
            for each in () if entry.zero_shot else shots:
                tables[shots_column(each)] = self._csv(
                    f"{self._stem(each)}-shots{each}", self.point.folder
                )
        elif entry.zero_shot or self._plain(shots[0]):
            stem = self._stem(shots[0])
        else:
            stem = f"{self._stem(shots[0])}-shots{shots[0]}"
            label = f"{label}, {shots_column(shots[0])}"
        if mode.base_to_new:
            columns = ("base",) if entry.base_only else ("base", "new")
        return Study(
            name=entry.name,
            label=label,
            trainer=entry.trainer,
            mode=mode,
            columns=columns,
            datasets=self.datasets,
            seeds=self.seeds,
            jobs=tuple(each for each in made if isinstance(each, Job)),
            csv=self._csv(stem, self.point.folder),
            source=self.source,
            csv_by_column=tables,
            absent=tuple(each for each in made if isinstance(each, str)),
            point=self.point,
            ranking=self._csv(f"grid-{stem}") if self.point.folder else None,
        )

    @property
    def _owner(self) -> str:
        """The experiment's name, and the folder of the grid's point."""
        return "/".join(filter(None, [self.experiment.name, self.point.folder]))

    @cached_property
    def _archive_name(self) -> str:
        """`weights-` and the archive's folder, fit for a file name; nothing without."""
        if not self.archive:
            return ""
        name = re.sub(r"[^\w.+-]", "_", self.archive.resolve().name)
        return f"weights-{name or 'weights'}"

    def _plain(self, shots: int) -> bool:
        """Shots are named where they are not the entry's, or part of what is compared."""
        return shots == self.experiment.shots and not self.mode.shots

    def _stem(self, shots: int) -> str:
        """`<mode>-<trainer>-<yaml>`, the published name of a table without its ending."""
        cfg, _ = self._settings(shots, self.source)
        return f"{self.mode.name}-{self.experiment.trainer}-{cfg}"

    def _csv(self, stem: str, point: str = "") -> Path:
        """Return the place of a table, named with what else tells it from others."""
        name = "-".join(filter(None, (stem, self._archive_name, point)))
        return self.place.results / self.experiment.name / f"{name}.csv"

    def _jobs(self, all_shots: Sequence[int]) -> list[Job | str]:
        """Return the trainings, in b2n each with its test on new classes, in gb2n on all, and in xd
        and dg with tests on every other dataset behind; where nothing is trained, tests alone."""
        kind = "test" if self.archive or self.experiment.zero_shot else "train"
        subset = "base" if self.mode.base_to_new else "all"
        made: list[Job | str] = []
        trained: dict[int, Job | None] = {}
        first = [self.source] if self.mode.transfer else self.datasets
        for dataset, shots, seed in product(first, all_shots, self.seeds):
            run, trained[seed] = Run(kind, subset, dataset, shots, seed), None
            if kind == "train" or not self.mode.together:
                made.append(job := self._job(run))
                trained[seed] = job if isinstance(job, Job) and kind == "train" else None
            if self.mode.base_to_new and not self.experiment.base_only:
                other = BOTH if self.mode.together else "new"
                made.append(self._job(run._replace(kind="test", subset=other), trained[seed]))
        for dataset, seed in product(self.datasets if self.mode.transfer else (), self.seeds):
            run = Run("test", "all", dataset, all_shots[0], seed)
            made.append(self._job(run, trained[seed]))
        return made

    def _job(self, run: Run, needs: Job | None = None) -> Job | str:
        """Return the job, or what is said of one whose checkpoint is not in the archive."""
        entry, place = self.experiment, self.place
        trained_on = self.source or run.dataset
        cfg, opts = self._settings(run.shots, trained_on)
        yamls = (dataset_yaml(place.repo, run.dataset), trainer_yaml(place.repo, entry, cfg))
        shots = "" if self._plain(run.shots) or entry.zero_shot else f" shots{run.shots}"
        name = f"{self._owner} {run.dataset}{shots} seed{run.seed} {run.kind} {run.subset}"
        model, training = (needs.folder, needs.key) if needs else (None, "")
        if self.archive:
            model = self.archive / seed_folder(self.mode, trained_on, run.shots, run.seed)
            training = checkpoint_id(model)
            if not training:
                return f"{name} (no checkpoint in {shown(model)})"
        classes = "all" if run.subset == BOTH else run.subset
        options = ["DATASET.NUM_SHOTS", str(run.shots), "DATASET.SUBSAMPLE_CLASSES", classes]
        options += [*opts, *self.chosen.options, *self.point.options]  # the last of a key holds
        key = job_key(
            yamls,
            options,
            trainer=entry.trainer,
            dataset=run.dataset,
            seed=run.seed,
            weights=weights_id(yamls, options, (Path.cwd(), place.repo)),
            evaluates="" if run.kind == "train" else "model" if model else "zero-shot",
            training=training,
        )
        root = place.outputs / self._owner / self._archive_name
        step = "" if self.mode.transfer else f"{run.kind}_{run.subset}"
        path = Path(step, entry.trainer, run.dataset, f"shots{run.shots}", cfg, f"seed{run.seed}")
        words = [*place.train_command, *self._words(run, yamls, root / path, model)]
        return Job(
            name=name,
            experiment=self._owner,
            kind=run.kind,
            column=self._column(run),
            dataset=run.dataset,
            seed=run.seed,
            folder=root / path,
            console=console_file(root, path.parts),
            key=key,
            argv=(*words, "--job-key", key, *options),
            needs=needs,
        )

    def _settings(self, shots: int, dataset: str) -> tuple[str, tuple[str, ...]]:
        """Return the YAML name of a run, and the entry's options for it."""
        cfg, opts = self.experiment.settings(self.mode.name, shots, dataset)
        return (demo.CFG, (*opts, *self.experiment.demo_opts)) if self.chosen.demo else (cfg, opts)

    def _column(self, run: Run) -> str:
        if self.mode.table == "shots":
            return ANY if self.experiment.zero_shot else shots_column(run.shots)
        if self.mode.together and run.subset != BOTH:
            return ""
        return run.subset if self.mode.base_to_new else ACCURACY

    def _words(
        self, run: Run, yamls: Sequence[Path], output: Path, model: Path | None
    ) -> list[str]:
        """The flags of train.py, but for the job key."""
        entry = self.experiment
        words = ["--root", self.place.data, "--seed", str(run.seed), "--trainer", entry.trainer]
        words += ["--dataset-config-file", shown(yamls[0]), "--config-file", shown(yamls[1])]
        words += ["--output-dir", shown(output)]
        if model:
            words += ["--model-dir", shown(model), "--load-epoch", str(entry.loadep)]
        if run.subset == BOTH or self.chosen.save_predictions:
            words.append("--save-predictions")  # and with them the measures of both halves
        if self.chosen.cache:
            words += ["--cache", shown(Path(self.chosen.cache).expanduser())]
        words += ["--no-cache"] if self.chosen.no_cache else []
        return [*words, "--eval-only"] if run.kind == "test" else words
