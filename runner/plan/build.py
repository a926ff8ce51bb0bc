"""From one experiment to its calls of train.py."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.errors import UserError
from runner.files.consoles import console_file
from runner.files.writing import shown
from runner.plan import demo
from runner.plan.archive import Archive, checkpoint_id, misplaced
from runner.plan.experiment import Experiment, trainer_yaml
from runner.plan.grid import NO_POINT, Point
from runner.plan.jobkey import job_key, weights_id
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
        options: KEY VALUE words of the command line, which win over the entry's.
        archive: checkpoints to evaluate in place of training.
        absent: takes the names of runs whose checkpoint is not in the archive.
        point: of a grid, whose options win over all others.
    """

    experiment: Experiment
    mode: Mode
    place: Workspace
    options: tuple[str, ...] = ()
    demo: bool = False
    archive: Archive | None = None
    absent: list[str] = field(default_factory=list)
    point: Point = NO_POINT

    @property
    def tests_only(self) -> bool:
        """Whether nothing is trained."""
        return self.experiment.zero_shot or self.archive is not None

    def cfg(self, shots: int, dataset: str) -> str:
        """Return the YAML name of a run."""
        settings = self.experiment.settings(self.mode.name, shots, dataset)
        return demo.CFG if self.demo else settings[0]

    def base_to_new(self, dataset: str, seed: int, shots: int) -> list[Job]:
        """Train on base classes, then test on new ones; outputs below train_base, test_new."""
        run = _Run(dataset, seed, shots, trained_on=dataset)
        if self.tests_only:
            jobs = self._job(run, "test", "base", "test_base", "base")
            if not self.experiment.base_only:
                jobs += self._job(run, "test", "new", "test_new", "new")
            return jobs
        jobs = self._job(run, "train", "base", "train_base", "base")
        if not self.experiment.base_only:
            jobs += self._job(run, "test", "new", "test_new", "new", needs=jobs[0])
        return jobs

    def transfer(
        self, source: str, targets: Sequence[str], seeds: Sequence[int], shots: int
    ) -> list[Job]:
        """Train on all classes of the source once per seed, then test on every target; outputs
        directly below the experiment's folder."""
        kind = "test" if self.tests_only else "train"
        jobs, trained = [], {}
        for seed in seeds:
            run = _Run(source, seed, shots, trained_on=source)
            made = self._job(run, kind, "all", "", ACCURACY)
            trained[seed] = None if self.tests_only else made[0]
            jobs += made
        for target in targets:
            for seed in seeds:
                run = _Run(target, seed, shots, trained_on=source)
                jobs += self._job(run, "test", "all", "", ACCURACY, needs=trained[seed])
        return jobs

    def all_classes(self, dataset: str, seed: int, shots: int, column: str) -> list[Job]:
        """Train and test on all classes; outputs below train_all."""
        run = _Run(dataset, seed, shots, trained_on=dataset)
        if self.tests_only:
            return self._job(run, "test", "all", "test_all", column)
        return self._job(run, "train", "all", "train_all", column)

    def _job(
        self,
        run: "_Run",
        kind: str,
        subset: str,
        step: str,
        column: str,
        needs: Job | None = None,
    ) -> list[Job]:
        """Return the job, or none if its checkpoint is not in the archive."""
        entry, place = self.experiment, self.place
        cfg = self.cfg(run.shots, run.trained_on)
        yamls = [dataset_yaml(place.repo, run.dataset), trainer_yaml(place.repo, entry, cfg)]
        owner = "/".join(filter(None, [entry.name, self.point.folder]))
        name = f"{owner} {run.dataset}{self._shots(run)} seed{run.seed} {kind} {subset}"
        options = self._options(run, subset)
        root = place.outputs / owner
        model, training = (needs.folder, needs.key) if needs else (None, "")
        if self.archive:
            root /= f"weights-{self.archive.name}"
            model, training = self._checkpoint(self.archive, run, name)
            if not training:
                return []
        path = Path(step, entry.trainer, run.dataset, f"shots{run.shots}", cfg, f"seed{run.seed}")
        key = job_key(
            trainer=entry.trainer,
            dataset=run.dataset,
            seed=run.seed,
            yamls=yamls,
            options=options,
            weights=weights_id(yamls, options, (Path.cwd(), place.repo)),
            evaluates="" if kind == "train" else "model" if model else "zero-shot",
            training=training,
        )
        words = self._words(run, kind, yamls, root / path, model)
        job = Job(
            name=name,
            experiment=owner,
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

    def _options(self, run: "_Run", subset: str) -> list[str]:
        """The KEY VALUE words, of which the last for a key holds."""
        _, opts = self.experiment.settings(self.mode.name, run.shots, run.trained_on)
        words = ["DATASET.NUM_SHOTS", str(run.shots), "DATASET.SUBSAMPLE_CLASSES", subset]
        demo_opts = self.experiment.demo_opts if self.demo else ()
        return [*words, *opts, *demo_opts, *self.options, *self.point.options]

    def _words(
        self, run: "_Run", kind: str, yamls: Sequence[Path], output: Path, model: Path | None
    ) -> list[str]:
        """The flags of train.py, but for the job key."""
        entry = self.experiment
        words = ["--root", self.place.data, "--seed", str(run.seed), "--trainer", entry.trainer]
        words += ["--dataset-config-file", shown(yamls[0]), "--config-file", shown(yamls[1])]
        words += ["--output-dir", shown(output)]
        if model:
            words += ["--model-dir", shown(model), "--load-epoch", str(entry.loadep)]
        return [*words, "--eval-only"] if kind == "test" else words

    def _shots(self, run: "_Run") -> str:
        """Shots are named where they are not the entry's, or part of what is compared."""
        plain = run.shots == self.experiment.shots and not self.mode.shots
        return "" if plain or self.experiment.zero_shot else f" shots{run.shots}"

    def _checkpoint(self, archive: Archive, run: "_Run", name: str) -> tuple[Path, str]:
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


@dataclass(frozen=True)
class _Run:
    """What is tested, and `trained_on`: the dataset whose settings hold."""

    dataset: str
    seed: int
    shots: int
    trained_on: str
