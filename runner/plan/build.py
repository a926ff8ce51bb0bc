"""From one experiment in one mode to its calls of train.py, and the tables that they fill."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from runner.files.consoles import console_file
from runner.files.writing import shown
from runner.plan import demo
from runner.plan.archive import checkpoint_id, seed_folder
from runner.plan.arguments import Arguments
from runner.plan.experiment import Experiment, trainer_yaml
from runner.plan.grid import Point
from runner.plan.jobkey import Identity, weights_id
from runner.plan.jobs import ANY, BOTH, Job, Study
from runner.plan.modes import Mode

ACCURACY = "accuracy"


@dataclass(frozen=True)
class Workspace:
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


@dataclass(frozen=True)
class Run:
    """One run's data: the dataset and classes tested, and `trained_on`, the dataset whose settings
    hold."""

    kind: str
    subset: str
    dataset: str
    seed: int
    shots: int
    trained_on: str


@lru_cache(maxsize=1024)
def dataset_yaml(repo: Path, dataset: str) -> Path:
    """Return the path of a dataset's YAML."""
    return repo / "configs/datasets" / f"{dataset}.yaml"


def shots_column(shots: int) -> str:
    """Return the heading of a column of the few-shot table."""
    return f"{shots} shot{'' if shots == 1 else 's'}"


@dataclass(frozen=True)
class Builder:
    """Makes the studies of one experiment in one mode.

    Attributes:
        point: of a grid, whose options win over the command line's, and those over the entry's.
        archive: folder of checkpoints to evaluate in place of training.
        source: the dataset that xd and dg train on.
        datasets: those that are tested, beside the source.
        absent: takes the names of runs whose checkpoint is not in the archive.
    """

    experiment: Experiment
    mode: Mode
    place: Workspace
    chosen: Arguments
    point: Point
    archive: Path | None
    source: str
    datasets: tuple[str, ...]
    seeds: tuple[int, ...]
    absent: list[str] = field(default_factory=list)

    def study(self, *shots: int) -> Study:
        """Return the study at one number of shots, or with a column for each of several."""
        entry, mode = self.experiment, self.mode
        # Zero-shot is one run per dataset, whose accuracy stands in every column.
        jobs = self._jobs((entry.shots,) if entry.zero_shot else shots)
        label, plain = self._owner, entry.zero_shot or self._plain(shots[0])
        columns: tuple[str, ...] = (ACCURACY,)
        tables: dict[str, Path] = {}
        if mode.table == "shots":
            columns = tuple(map(shots_column, shots))
            stem = f"fs-{entry.trainer}"
            if not entry.zero_shot:
                tables = {
                    shots_column(each): self._csv(self._stem(each, f"-shots{each}"))
                    for each in shots
                }
        else:
            stem = self._stem(shots[0], "" if plain else f"-shots{shots[0]}")
            label = label if plain else f"{label}, {shots_column(shots[0])}"
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
            jobs=tuple(jobs),
            csv=self._csv(stem),
            source=self.source,
            csv_by_column=tables,
            absent=tuple(self.absent),
            point=self.point,
            ranking=self._csv(f"grid-{stem}", "") if self.point.folder else None,
        )

    @property
    def _owner(self) -> str:
        """The experiment's name, and the folder of the grid's point."""
        return "/".join(filter(None, [self.experiment.name, self.point.folder]))

    @property
    def _archive_name(self) -> str:
        """`weights-` and the archive's folder, fit for a file name; nothing without."""
        if not self.archive:
            return ""
        name = re.sub(r"[^\w.+-]", "_", self.archive.resolve().name)
        return f"weights-{name or 'weights'}"

    def _plain(self, shots: int) -> bool:
        """Shots are named where they are not the entry's, or part of what is compared."""
        return shots == self.experiment.shots and not self.mode.shots

    def _stem(self, shots: int, suffix: str) -> str:
        """`<mode>-<trainer>-<yaml>`, the published name of a table without its ending."""
        cfg, _ = self._settings(shots, self.source)
        return f"{self.mode.name}-{self.experiment.trainer}-{cfg}{suffix}"

    def _csv(self, stem: str, point: str | None = None) -> Path:
        """Return the place of a table, named with what else tells it from others."""
        parts = (stem, self._archive_name, self.point.folder if point is None else point)
        name = "-".join(filter(None, parts))
        return self.place.results / self.experiment.name / f"{name}.csv"

    def _jobs(self, all_shots: Sequence[int]) -> list[Job]:
        """Return the trainings, in b2n each with its test on new classes, in gb2n on all, and in xd
        and dg with tests on every other dataset behind; where nothing is trained, tests alone."""
        kind = "test" if self.experiment.zero_shot or self.archive else "train"
        subset = "base" if self.mode.base_to_new else "all"
        made: list[Job | None] = []
        trained: dict[int, Job | None] = {}
        for dataset in [self.source] if self.mode.transfer else self.datasets:
            for shots in all_shots:
                for seed in self.seeds:
                    run = Run(kind, subset, dataset, seed, shots, dataset)
                    job = self._job(run) if kind == "train" or not self.mode.together else None
                    trained[seed] = job if kind == "train" else None
                    made.append(job)
                    if self.mode.base_to_new and not self.experiment.base_only:
                        other = BOTH if self.mode.together else "new"
                        other_test = replace(run, kind="test", subset=other)
                        made.append(self._job(other_test, trained[seed]))
        for dataset in self.datasets if self.mode.transfer else ():
            for seed in self.seeds:
                run = Run("test", "all", dataset, seed, all_shots[0], self.source)
                made.append(self._job(run, trained[seed]))
        return [job for job in made if job]

    def _job(self, run: Run, needs: Job | None = None) -> Job | None:
        """Return the job, or none if its checkpoint is not in the archive."""
        entry, place = self.experiment, self.place
        cfg, opts = self._settings(run.shots, run.trained_on)
        yamls = (dataset_yaml(place.repo, run.dataset), trainer_yaml(place.repo, entry, cfg))
        shots = "" if self._plain(run.shots) or entry.zero_shot else f" shots{run.shots}"
        name = f"{self._owner} {run.dataset}{shots} seed{run.seed} {run.kind} {run.subset}"
        model, training = (needs.folder, needs.key) if needs else (None, "")
        if self.archive:
            model, training = self._checkpoint(self.archive, run)
            if not training:
                self.absent.append(f"{name} (no checkpoint in {shown(model)})")
                return None
        classes = "all" if run.subset == BOTH else run.subset
        options = ["DATASET.NUM_SHOTS", str(run.shots), "DATASET.SUBSAMPLE_CLASSES", classes]
        options += [*opts, *self.chosen.options, *self.point.options]  # the last of a key holds
        key = Identity(
            trainer=entry.trainer,
            dataset=run.dataset,
            seed=run.seed,
            yamls=yamls,
            options=options,
            weights=weights_id(yamls, options, (Path.cwd(), place.repo)),
            evaluates="" if run.kind == "train" else "model" if model else "zero-shot",
            training=training,
        ).key
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

    def _checkpoint(self, archive: Path, run: Run) -> tuple[Path, str]:
        """Return the folder that holds the model's, and what identifies the checkpoint: nothing if
        there is none."""
        folder = archive / seed_folder(self.mode, run.trained_on, run.shots, run.seed)
        return folder, checkpoint_id(folder)
