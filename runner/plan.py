"""Turn experiments into jobs: datasets x seeds x (train on base, test on new)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import UserError, did_you_mean
from runner.experiment import Experiment, trainer_yaml
from runner.files import shown
from runner.jobkey import job_key, weights_id
from runner.jobs import Job, Study

DEMO_DATASETS = ("demo_shapes", "demo_textures", "demo_digits")
DEMO_CFG = "demo"


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
class Selection:
    """What the command line narrows or replaces; empty means: as the entry says."""

    mode: str = "b2n"
    datasets: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    shots: tuple[int, ...] = ()
    options: tuple[str, ...] = ()
    demo: bool = False


def plan(experiments: Sequence[Experiment], place: Workspace, chosen: Selection) -> list[Study]:
    """Return a study per experiment and number of shots, jobs in the order of running.

    Raises:
        UserError: unknown datasets or missing YAML files, one line each.
    """
    check_datasets(place.repo, chosen.datasets)
    studies = []
    for experiment in experiments:
        # Zero-shot sees no training image: shots do not apply, and one seed says it all.
        several = () if experiment.zero_shot else chosen.shots
        for shots in several or (experiment.shots,):
            studies.append(_plan_study(experiment, shots, place, chosen))
    return studies


def check_datasets(repo: Path, names: Sequence[str]) -> None:
    """Refuse names without a file in configs/datasets.

    Raises:
        UserError: one line per unknown name.
    """
    known = {path.stem for path in (repo / "configs/datasets").glob("*.yaml")}
    wrong = [
        f"--datasets {name}: no such dataset{did_you_mean(name, known)}"
        for name in names
        if name not in known
    ]
    if wrong:
        raise UserError(wrong)


def _plan_study(experiment: Experiment, shots: int, place: Workspace, chosen: Selection) -> Study:
    datasets = chosen.datasets or (
        DEMO_DATASETS if chosen.demo else experiment.datasets[chosen.mode]
    )
    seeds = chosen.seeds or experiment.seeds
    if experiment.zero_shot:
        seeds = seeds[:1]
    _require_files(place.repo, experiment.name, datasets)
    builder = _JobBuilder(experiment, shots, place, chosen)
    jobs: list[Job] = []
    for dataset in datasets:
        for seed in seeds:
            jobs += builder.base_to_new(dataset, seed)
    default = shots == experiment.shots
    cfg = DEMO_CFG if chosen.demo else experiment.cfg
    suffix = "" if default else f"-shots{shots}"
    return Study(
        name=experiment.name,
        label=experiment.name if default else f"{experiment.name}, {shots} shots",
        trainer=experiment.trainer,
        datasets=tuple(datasets),
        seeds=seeds,
        jobs=tuple(jobs),
        csv=place.results
        / experiment.name
        / f"{chosen.mode}-{experiment.trainer}-{cfg}{suffix}.csv",
    )


def _dataset_yaml(repo: Path, dataset: str) -> Path:
    return repo / "configs/datasets" / f"{dataset}.yaml"


def _require_files(repo: Path, name: str, datasets: Sequence[str]) -> None:
    missing = [dataset for dataset in datasets if not _dataset_yaml(repo, dataset).is_file()]
    if missing:
        raise UserError(
            f"{name}: no file in configs/datasets for {', '.join(missing)}; "
            "choose from those that are there with --datasets"
        )


@dataclass(frozen=True)
class _JobBuilder:
    experiment: Experiment
    shots: int
    place: Workspace
    chosen: Selection

    def base_to_new(self, dataset: str, seed: int) -> list[Job]:
        if self.experiment.zero_shot:
            return [
                self._job(dataset, seed, "test", "base", "test_base"),
                self._job(dataset, seed, "test", "new", "test_new"),
            ]
        train = self._job(dataset, seed, "train", "base", "train_base")
        return [train, self._job(dataset, seed, "test", "new", "test_new", needs=train)]

    def _job(
        self, dataset: str, seed: int, kind: str, subset: str, step: str, needs: Job | None = None
    ) -> Job:
        entry, place = self.experiment, self.place
        cfg, opts = entry.settings(self.chosen.mode, self.shots, dataset)
        cfg = DEMO_CFG if self.chosen.demo else cfg
        yamls = [_dataset_yaml(place.repo, dataset), trainer_yaml(place.repo, entry, cfg)]
        options = (
            *("DATASET.NUM_SHOTS", str(self.shots)),
            *("DATASET.SUBSAMPLE_CLASSES", subset),
            *opts,
            *self.chosen.options,
        )
        run = f"{entry.trainer}/{dataset}/shots{self.shots}/{cfg}/seed{seed}"
        root = place.outputs / entry.name
        evaluates = "" if kind == "train" else "model" if needs else "zero-shot"
        key = job_key(
            trainer=entry.trainer,
            dataset=dataset,
            seed=seed,
            yamls=yamls,
            options=options,
            weights=weights_id(yamls, options, (Path.cwd(), place.repo)),
            evaluates=evaluates,
            training=needs.key if needs else "",
        )
        words = ["--root", place.data, "--seed", str(seed), "--trainer", entry.trainer]
        words += ["--dataset-config-file", shown(yamls[0]), "--config-file", shown(yamls[1])]
        words += ["--output-dir", shown(root / step / run)]
        if needs:
            words += ["--model-dir", shown(needs.folder), "--load-epoch", str(entry.loadep)]
        if kind == "test":
            words.append("--eval-only")
        words += ["--job-key", key, *options]
        shots = "" if self.shots == entry.shots else f" shots{self.shots}"
        return Job(
            name=f"{entry.name} {dataset}{shots} seed{seed} {kind} {subset}",
            experiment=entry.name,
            kind=kind,
            column=subset,
            dataset=dataset,
            seed=seed,
            folder=root / step / run,
            console=root / "console" / f"{step}-{run.replace('/', '-')}.txt",
            key=key,
            argv=(*place.train_command, *words),
            needs=needs,
        )
