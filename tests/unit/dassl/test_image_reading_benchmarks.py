"""The two benchmarks of image reading, on few and small pictures."""

import pytest
import torch

import clip
from benchmarks import image_reading, reading_parts, waiting_for_data, watched_runs
from benchmarks.reading_ways import Way

SMALL = ["--images", "4", "--width", "100", "--height", "75", "--rounds", "1"]
EXACT = {  # stage -> ways that must give the published bits with any version of the libraries
    "decode": {"engine: Pillow, no copy of RGB"},
    "test: resize, crop": {"Pillow, columns cropped between passes"},
    "to input": {"engine: Normalize in place", "table of 256 values"},
    "test, whole": {"engine"},
    "train, whole": {"engine"},
}


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def tables(text):
    """The lines of tables as lists of cells, heads and rules left out."""
    lines = [cells(line) for line in text.splitlines() if line.startswith("| ")]
    return [line for line in lines if line[0] not in ("stage", "data")]


def test_every_stage_is_compared_with_the_published_way(capsys):
    threads = torch.get_num_threads()
    try:
        assert image_reading.main(SMALL) == 0
    finally:
        torch.set_num_threads(threads)
    text = capsys.readouterr().out
    command = "python benchmarks/image_reading.py --images 4 --width 100 --height 75 --rounds 1"
    assert text.startswith(command) and "+ to torch tensor" not in text
    found = tables(text)
    assert all(len(row) == 7 and float(row[4]) > 0 for row in found)
    stages = list(dict.fromkeys(row[0] for row in found))
    assert stages == [*[*EXACT][:2], "train: crop, resize, flip", *[*EXACT][2:]]
    for stage in stages:
        rows = [row for row in found if row[0] == stage]
        assert rows[0][1].startswith("published") and rows[0][4:] == ["1.00", "yes", "0, 0"]
        same = {row[1] for row in rows if row[5] == "yes"}
        assert EXACT.get(stage, set()) <= same
    by_box = [
        row for row in found if row[:2] == ["train: crop, resize, flip", "Pillow, crop by box="]
    ]
    assert by_box[0][5] == "no" and by_box[0][6] != "0, 0"


def test_a_difference_is_told_in_grey_levels():
    grey, std = torch.full((3, 2, 2), 0.5), torch.tensor([0.25, 0.25, 0.25])
    other = grey.clone()
    other[0, 0, 0] += 4 / 255  # of what was divided by 0.25: one grey level
    results = {"published": grey, "another": other, "smaller": grey[:, 1:]}
    ways = [Way(name, lambda _, x=x: x, [0]) for name, x in results.items()]
    same, differs, smaller = (cells(line)[5:] for line in image_reading.rows("made", ways, 1, std))
    assert same == ["yes", "0, 0"] and differs == ["no", "1, 0.083"]
    assert smaller == ["no", "another size"]


def test_all_ways_get_the_same_random_numbers():
    drawn = [[], []]
    ways = [
        Way(f"{i}", lambda x, i=i: drawn[i].append(torch.rand(1).item()), [1, 2]) for i in (0, 1)
    ]
    image_reading.measure(ways, rounds=3)
    assert drawn[0] == drawn[1] and len(set(drawn[0])) == 8


def test_pictures_weigh_what_those_of_imagenet_weigh(tmp_path):
    paths = reading_parts.write_jpegs(tmp_path, 4, 500, 375)
    assert 90_000 < sum(path.stat().st_size for path in paths) / 4 < 140_000
    assert reading_parts.describe(paths, 500, 375).startswith("4 made JPEGs of 500 x 375 pixels")


def test_waits_belong_to_the_batch_they_precede(monkeypatch):
    clock = iter([0, 5, 6, 8, 12, 13, 20, 21, 22, 23, 25, 29])
    monkeypatch.setattr(watched_runs.time, "perf_counter", lambda: next(clock))
    watched = watched_runs.Watched(["first", "second"])
    for _ in range(2):
        assert list(watched) == ["first", "second"]
    assert watched.waits == [5, 2, 1, 1] and watched.steps == [1, 4, 1, 2]
    assert watched.starts == [5, 1] and watched.ends == [1, 4]
    assert watched.shares() == (9 / 17, 3 / 7)


def test_waits_of_the_demo_and_of_jpegs_are_told(monkeypatch, capsys):
    tiny = clip.CLIPDims(64, 224, 2, 64, 32, text_width=64, text_layers=2)
    monkeypatch.setattr(waiting_for_data, "VIT_B16", tiny)
    monkeypatch.setattr(waiting_for_data, "WIDTH", 60)
    threads = torch.get_num_threads()
    words = ["--trainers", "CoOp", "--workers", "0", "2", "--rounds", "1", "--batches", "1"]
    try:
        assert waiting_for_data.main(words) == 0
    finally:
        torch.set_num_threads(threads)
    text = capsys.readouterr().out
    assert text.startswith(
        "python benchmarks/waiting_for_data.py --data demo jpegs --trainers CoOp"
    )
    found = tables(text)
    data, coop = ["demo", "jpegs"], "CoOp"
    assert [row[:4] for row in found[:4]] == [
        [name, coop, size, workers]
        for name, size in zip(data, ("4", "32"), strict=True)
        for workers in ("0", "2")
    ]
    assert all(0 <= float(share) <= 100 for row in found[:4] for share in row[5:])
    assert [row[:2] for row in found[4:6]] == [[name, coop] for name in data]
    assert [row[:5] for row in found[6:]] == [
        ["demo", coop, "40", "2", "2"],
        ["jpegs", coop, "1", "2", "1"],
    ]


@pytest.mark.parametrize(
    ("benchmark", "option", "message"),
    [
        (image_reading, ["--rounds", "0"], "0 is less than 1"),
        (waiting_for_data, ["--workers", "-1"], "--workers -1: must be 0 or more"),
        (waiting_for_data, ["--device", "cuda"], "--device cuda: no CUDA device here; use cpu"),
    ],
)
def test_wrong_options_are_named(benchmark, option, message, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as caught:
        benchmark.main(option)
    assert caught.value.code == 2 and message in capsys.readouterr().err
