"""The picture: there, whole, and made again only for other numbers."""

import pytest

from runner.plan.modes import MODES
from runner.results.scores import Line
from runner.results.stats import summarise
from runner.show.picture import write_picture

LINES = (Line("dtd"), Line("mine"), Line("average", average=True, members=("dtd", "mine")))
B2N = MODES["b2n"]


def summary(accuracy, columns=("base", "new"), label="coop"):
    places = [(d, c, s) for d in ("dtd", "mine") for c in columns for s in (1, 2)]
    return summarise(label, LINES, columns, [1, 2], dict.fromkeys(places, accuracy))


def test_a_picture_of_the_same_numbers_is_left_alone(tmp_path):
    path = tmp_path / "new/b2n.png"
    write_picture(path, B2N, [summary(50.0)])
    first = path.stat().st_ino, path.read_bytes()
    write_picture(path, B2N, [summary(50.0)])
    assert (path.stat().st_ino, path.read_bytes()) == first
    write_picture(path, B2N, [summary(51.0)])
    assert path.read_bytes() != first[1]
    assert [entry.name for entry in path.parent.iterdir()] == ["b2n.png"]


def test_missing_cells_leave_a_gap(tmp_path):
    partial = summarise("coop", LINES, ("base", "new"), [1], {("dtd", "base", 1): 70.0})
    write_picture(tmp_path / "b2n.png", B2N, [partial, summary(50.0)])
    assert (tmp_path / "b2n.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "mode, columns, number",
    [("fs", ("1 shot", "2 shots"), 2), ("xd", ("accuracy",), 1), ("b2n", ("base", "new"), 9)],
)
def test_curves_single_measures_and_many_experiments_are_drawn(tmp_path, mode, columns, number):
    summaries = [summary(50.0 + i, columns, f"method {i}") for i in range(number)]
    write_picture(tmp_path / "x.png", MODES[mode], summaries)
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
