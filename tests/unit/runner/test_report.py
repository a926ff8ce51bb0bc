"""The picture: there, whole, and made again only for other numbers."""

from runner.report import write_picture
from runner.stats import summarise


def summary(accuracy):
    places = [(d, c, s) for d in ("dtd", "mine") for c in ("base", "new") for s in (1, 2)]
    return summarise("coop", ["dtd", "mine"], [1, 2], dict.fromkeys(places, accuracy))


def test_a_picture_of_the_same_numbers_is_left_alone(tmp_path):
    path = tmp_path / "new/b2n.png"
    write_picture(path, [summary(50.0)])
    first = path.stat().st_ino, path.read_bytes()
    write_picture(path, [summary(50.0)])
    assert (path.stat().st_ino, path.read_bytes()) == first
    write_picture(path, [summary(51.0)])
    assert path.read_bytes() != first[1]
    assert [entry.name for entry in path.parent.iterdir()] == ["b2n.png"]


def test_missing_cells_leave_a_gap(tmp_path):
    partial = summarise("coop", ["dtd", "mine"], [1], {("dtd", "base", 1): 70.0})
    write_picture(tmp_path / "b2n.png", [partial, summary(50.0)])
    assert (tmp_path / "b2n.png").read_bytes().startswith(b"\x89PNG")
