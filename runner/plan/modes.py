"""The protocols that a run can follow, and what each asks of an experiment: `--help` of
parallel_runner.py says what they train and test on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mode:
    """One protocol.

    Attributes:
        name: value of --mode.
        settings: mode whose cases in configs.py hold: protocols that share trainings share it.
        datasets: key of its list in the `data` section of configs.py.
        shots: shots where the command line names none; empty: those of the entry.
        table: kind of table: `b2n` (base, new, H), `accuracy`, or `shots` (a column each).
        together: whether base and new classes are told apart from all, in one test.
    """

    name: str
    settings: str
    datasets: str
    shots: tuple[int, ...] = ()
    table: str = "accuracy"
    together: bool = False

    @property
    def base_to_new(self) -> bool:
        """Whether it trains on base classes and tests on base and new ones."""
        return self.table == "b2n"

    @property
    def transfer(self) -> bool:
        """Whether one training on the source dataset serves every other dataset."""
        return self.settings == "xd"


MODES = {
    mode.name: mode
    for mode in (
        Mode("b2n", "b2n", "datasets_base_to_new", table="b2n"),
        Mode("xd", "xd", "datasets_cross_dataset"),
        Mode("dg", "xd", "datasets_domain_generalization"),
        Mode("fs", "fs", "datasets_few_shot", (1, 2, 4, 8, 16), "shots"),
        # The shots of the DePT repository's few-shot table.
        Mode("fs-b2n", "b2n", "datasets_base_to_new", (4, 8, 16), "b2n"),
        Mode("gb2n", "b2n", "datasets_base_to_new", table="b2n", together=True),
        Mode("mt", "fs", "datasets_multi_task"),
    )
}
DEFAULT_MODE = "b2n"
TALLIED = ("b2n", "gb2n", "xd", "dg", "fs", "mt")  # that have tables of their own, in this order
SETTINGS_MODES = tuple(dict.fromkeys(mode.settings for mode in MODES.values()))
DATASET_LISTS = tuple(dict.fromkeys(mode.datasets for mode in MODES.values()))
