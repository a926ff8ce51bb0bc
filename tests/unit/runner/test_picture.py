"""The picture of a comparison: there and whole, whatever is missing."""

import pytest

from runner.show.picture import write_picture
from tests.unit.runner.folders import body, table_of

LINES = body("dtd", "mine")


def summary(accuracy, columns=("accuracy",), label="coop", mode="xd", own=()):
    places = [(d, c, s) for d in ("dtd", "mine") for c in columns for s in (1, 2)]
    how = {"columns": columns, "seeds": [1, 2], "label": label, "mode": mode, "own": own}
    return table_of(dict.fromkeys(places, accuracy), LINES, **how)


@pytest.mark.parametrize(
    "mode, columns, number",
    [("fs", ("1 shot", "2 shots"), 2), ("b2n", ("base", "new"), 1), ("b2n", ("base", "new"), 5)],
)
def test_curves_single_measures_and_many_experiments_are_drawn_with_gaps(
    tmp_path, mode, columns, number
):
    partial = table_of({("dtd", columns[0], 1): 70.0}, LINES, columns=columns, mode=mode)
    summaries = [summary(50.0 + i, columns, f"method {i}", mode) for i in range(number)]
    write_picture(tmp_path / "x.png", [*summaries, partial])
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
