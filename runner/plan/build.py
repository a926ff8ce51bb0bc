"""From one experiment in one mode to its calls of train.py."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from runner.errors import UserError
from runner.files.consoles import console_file
from runner.files.writing import shown
from runner.plan import demo
from runner.plan.archive import Archive, checkpoint_id, misplaced
from runner.plan.arguments import Arguments
from runner.plan.experiment import Experiment, trainer_yaml
from runner.plan.grid import NO_POINT, Point
from runner.plan.jobkey import Identity, weights_id
from runner.plan.jobs import ANY, Job
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
    """One run's data: the dataset tested, and `trained_on`, the one whose settings hold."""

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
class JobBuilder:
    """Makes the jobs of one experiment in one mode.

    Attributes:
        archive: checkpoints to evaluate in place of training.
        point: of a grid, whose options win over the command line's, and those over the entry's.
        absent: takes the names of runs whose checkpoint is not in the archive.
    """

    experiment: Experiment
    mode: Mode
    place: Workspace
    chosen: Arguments
    archive: Archive | None = None
    point: Point = NO_POINT
    absent: list[str] = field(default_factory=list)

    @property
    def owner(self) -> str:
        """The experiment's name, and the folder of the grid's point."""
        return "/".join(filter(None, [self.experiment.name, self.point.folder]))

    def cfg(self, shots: int, dataset: str) -> str:
        """Return the YAML name of a run."""
        settings = self.experiment.settings(self.mode.name, shots, dataset)
        return demo.CFG if self.chosen.demo else settings[0]

    def base_to_new(self, dataset: str, seed: int, shots: int) -> list[Job]:
        """Train on base classes, then test on new ones; outputs below train_base, test_new."""
        run = Run(dataset, seed, shots, trained_on=dataset)
        jobs, needs = self._trained(run, "base", "base")
        if not self.experiment.base_only:
            jobs += self._job(run, "test", "new", "test_new", "new", needs)
        return jobs

    def all_classes(self, dataset: str, seed: int, shots: int, column: str) -> list[Job]:
        """Train and test on all classes; outputs below train_all."""
        return self._trained(Run(dataset, seed, shots, trained_on=dataset), "all", column)[0]

    def transfer(
        self, source: str, targets: Sequence[str], seeds: Sequence[int], shots: int
    ) -> list[Job]:
        """Train on all classes of the source once per seed, then test on every target; outputs
        directly below the experiment's folder."""
        jobs, trained = [], {}
        for seed in seeds:
            run = Run(source, seed, shots, trained_on=source)
            made, trained[seed] = self._trained(run, "all", ACCURACY, step=False)
            jobs += made
        for target in targets:
            for seed in seeds:
                run = Run(target, seed, shots, trained_on=source)
                jobs += self._job(run, "test", "all", "", ACCURACY, trained[seed])
        return jobs

    def _trained(
        self, run: Run, subset: str, column: str, *, step: bool = True
    ) -> tuple[list[Job], Job | None]:
        """Return the job that trains, and once more as what others need; where nothing is trained
        the job that tests on the same classes, which nobody needs."""
        kind = "test" if self.experiment.zero_shot or self.archive else "train"
        jobs = self._job(run, kind, subset, f"{kind}_{subset}" if step else "", column)
        return jobs, jobs[0] if kind == "train" else None

    def _job(
        self, run: Run, kind: str, subset: str, step: str, column: str, needs: Job | None = None
    ) -> list[Job]:
        """Return the job, or none if its checkpoint is not in the archive."""
        entry, place = self.experiment, self.place
        cfg, trainers = self.cfg(run.shots, run.trained_on), (entry.trainer, entry.cfg_trainer)
        yamls = (
            dataset_yaml(place.repo, run.dataset),
            trainer_yaml(place.repo, trainers, cfg, entry.name),
        )
        name = f"{self.owner} {run.dataset}{self._shots(run)} seed{run.seed} {kind} {subset}"
        options = self._options(run, subset)
        root = place.outputs / self.owner
        model, training = (needs.folder, needs.key) if needs else (None, "")
        if self.archive:
            root /= f"weights-{self.archive.name}"
            model, training = self._checkpoint(self.archive, run, name)
            if not training:
                return []
        path = Path(step, entry.trainer, run.dataset, f"shots{run.shots}", cfg, f"seed{run.seed}")
        key = Identity(
            trainer=entry.trainer,
            dataset=run.dataset,
            seed=run.seed,
            yamls=yamls,
            options=options,
            weights=weights_id(yamls, options, (Path.cwd(), place.repo)),
            evaluates="" if kind == "train" else "model" if model else "zero-shot",
            training=training,
        ).key
        words = self._words(run, kind, yamls, root / path, model)
        job = Job(
            name=name,
            experiment=self.owner,
            kind=kind,
            column=ANY if entry.zero_shot and self.mode.table == "shots" else column,
            dataset=run.dataset,
            seed=run.seed,
            folder=root / path,
            console=console_file(root, path.parts),
            key=key,
            argv=(*place.train_command, *words, "--job-key", key, *options),
            needs=needs,
        )
        return [job]

    def _options(self, run: Run, subset: str) -> list[str]:
        """The KEY VALUE words, of which the last for a key holds."""
        _, opts = self.experiment.settings(self.mode.name, run.shots, run.trained_on)
        words = ["DATASET.NUM_SHOTS", str(run.shots), "DATASET.SUBSAMPLE_CLASSES", subset]
        demo_opts = self.experiment.demo_opts if self.chosen.demo else ()
        return [*words, *opts, *demo_opts, *self.chosen.options, *self.point.options]

    def _words(
        self, run: Run, kind: str, yamls: Sequence[Path], output: Path, model: Path | None
    ) -> list[str]:
        """The flags of train.py, but for the job key."""
        entry = self.experiment
        words = ["--root", self.place.data, "--seed", str(run.seed), "--trainer", entry.trainer]
        words += ["--dataset-config-file", shown(yamls[0]), "--config-file", shown(yamls[1])]
        words += ["--output-dir", shown(output)]
        if model:
            words += ["--model-dir", shown(model), "--load-epoch", str(entry.loadep)]
        return [*words, "--eval-only"] if kind == "test" else words

    def _shots(self, run: Run) -> str:
        """Shots are named where they are not the entry's, or part of what is compared."""
        plain = run.shots == self.experiment.shots and not self.mode.shots
        return "" if plain or self.experiment.zero_shot else f" shots{run.shots}"

    def _checkpoint(self, archive: Archive, run: Run, name: str) -> tuple[Path, str]:
        """Return the folder that holds the model's, and what identifies the checkpoint."""
        folder = archive.seed_folder(self.mode, run.trained_on, run.shots, run.seed)
        identity = "imagined" if archive.imagined else checkpoint_id(folder)
        if not identity and misplaced(folder):
            raise UserError(
                f"{shown(folder)}: holds checkpoint files itself; they belong in a folder below it "
                "that is named for the model, such as VLPromptLearner"
            )
        if not identity:
            self.absent.append(f"{name} (no checkpoint in {shown(folder)})")
        return folder, identity
