"""The benchmark of step time and memory against classes: its processes, what it takes, leaves out
and shows."""

import argparse
import json
import time

import pytest

from benchmarks import class_curves, class_memory
from benchmarks.class_curves import Curves, parse
from benchmarks.class_memory import FailedChild, LateChild, of_child
from benchmarks.training_step import published
from dassl.engine import TRAINER_REGISTRY
from tests.support import tiny_clip
from tests.support.command import PROJECT


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A CLIP for 224 pixels, with narrow towers of twelve blocks."""
    path = tmp_path_factory.mktemp("weights") / "small.pt"
    sizes = {"layers": 12, "text_layers": 12, "vision_width": 64, "text_width": 64}
    return tiny_clip.saved(path, **sizes, embed_dim=32, resolution=224, patch=112)


@pytest.fixture
def curves(tmp_path):
    return Curves(tmp_path / "curves.json", {"limit": "none"})


def point(method, classes, seconds=1.0, first=5.0, wall=8.0, mib=500.0):
    times = {"step_s": seconds, "cpu_s": seconds, "first_s": first, "wall_s": wall}
    return {"method": method, "classes": classes, "peak_mib": mib, "batch": 4, "steps": 3, **times}


def test_a_process_tells_its_last_line_its_peak_and_its_times():
    """Asked by a small one: what its parent has counts for a process."""
    inner = "print(1, flush=True); x = b'1' * (1 << 28); import time; time.sleep(0.3); print(2)"
    code = "import json; from benchmarks.class_memory import of_child\n"
    code += f"found = of_child(['-c', {inner!r}], patience=60)\n"
    code += "print(json.dumps([found.said, found.peak, found.first, found.seconds]))"
    said, peak, first, seconds = of_child(["-c", code]).said
    assert said == 2 and 1 << 28 < peak < 1.2 * (1 << 28)
    assert 0 < first < seconds - 0.25


def test_a_process_that_fails_or_says_nothing_in_time_is_told():
    with pytest.raises(FailedChild, match="ValueError: no such thing"):
        of_child(["-c", "raise ValueError('no such thing')"])
    started = time.perf_counter()
    with pytest.raises(LateChild, match="within 1 s"):
        of_child(["-c", "import time; time.sleep(60)"], patience=1)
    assert time.perf_counter() - started < 20


def test_a_process_may_not_have_more_memory_than_it_is_given():
    assert of_child(["-c", "x = bytearray(1 << 26)"], most=1 << 28).said == {}
    with pytest.raises(FailedChild, match="MemoryError"):
        of_child(["-c", "import time; time.sleep(0.2); x = bytearray(1 << 29)"], most=1 << 28)


def test_every_method_has_its_published_settings():
    args = parse(["--dept"])
    assert len(args.methods) == 2 * len(class_curves.METHODS) == 34
    for name in args.methods:
        assert TRAINER_REGISTRY.get(name)
        yaml, _ = published(name)
        assert (PROJECT / yaml).is_file() and "rn50" not in yaml
    with pytest.raises(SystemExit, match=r"NoSuchMethod: configs\.py has no entry"):
        published("NoSuchMethod")


@pytest.mark.parametrize(
    ("name", "batch"), [("CoPrompt", 4), ("SoftCPT", 32), ("TipAdapterF", 256)]
)
def test_methods_get_what_they_need_to_take_steps(name, batch, deep_vit, capsys, monkeypatch):
    """Sentences and two views, tasks, training images for a cache."""
    from benchmarks import training_step

    build = training_step.build
    small = ("INPUT.SIZE", "(32, 32)", "OPTIM.LR", 0.0)
    monkeypatch.setattr(training_step, "build", lambda *words: build(*words, *small))
    found = class_memory.steps(name, 20, "none", deep_vit, 2)
    assert len(found["seconds"]) == 2 and found["batch"] == batch
    assert found["losses"][0] > 0 and capsys.readouterr().out.endswith("{}\n")


def test_a_limit_that_is_too_little_is_told_and_the_others_are_measured(monkeypatch, capsys):
    said = {"seconds": [3.0, 1.0], "cpu": [2.0, 1.0], "losses": [0.5], "peak": 1 << 30}

    def child(words):
        if "1G" in words:
            raise FailedChild("dassl.utils.errors.UserError: MODEL.MEMORY_LIMIT = 1024M: ...")
        return class_memory.Ended(said, 1 << 30, 1.0, 9.0)

    monkeypatch.setattr(class_memory, "of_child", child)
    args = argparse.Namespace(
        trainers=["CoOp"], classes=[50], limits=["none", "1G", "2G"], steps=2, most=8.0
    )
    rows = class_memory.measure(args, "weights.pt")
    assert [(row["limit"], row["step_s"], row["peak_mib"]) for row in rows] == [
        ("none", 1.0, 1024.0),
        ("2G", 1.0, 1024.0),
    ]
    assert "    1G dassl.utils.errors.UserError: MODEL.MEMORY_LIMIT" in capsys.readouterr().out


def test_no_further_step_begins_when_patience_is_at_its_end(small):
    assert len(class_memory.steps("CoOp", 3, "none", small, 9, patience=0.0)["seconds"]) == 2


def test_a_point_is_measured_in_a_process_shown_and_drawn(small, tmp_path, capsys):
    """What is there is not measured again."""
    file, picture = tmp_path / "curves.json", tmp_path / "curves.png"
    words = ["--methods", "CoOp", "--weights", str(small), "--json", str(file), "--steps", "1"]
    class_curves.main([*words, "--classes", "6", "--plot", str(picture)])
    (row,) = json.loads(file.read_text())["rows"]
    assert (row["method"], row["classes"], row["batch"], row["steps"]) == ("CoOp", 6, 4, 2)
    assert row["step_s"] > 0 and row["peak_mib"] > 100 and row["wall_s"] > row["first_s"]
    said = capsys.readouterr().out
    assert "| method | batch | 6 |" in said and f"| CoOp | 4 | {row['step_s']:.2f} |" in said
    assert picture.read_bytes()[:4] == b"\x89PNG"
    class_curves.main([*words, "--classes", "6"])
    assert json.loads(file.read_text())["rows"] == [row]


def test_points_of_few_classes_come_first_and_are_kept_one_by_one(curves):
    order = []

    def take(method, classes, weights, args):
        assert len(Curves(curves.file, curves.about).rows) == len(order)
        order.append((method, classes))
        return point(method, classes)

    args = parse(["--methods", "A", "B", "--classes", "100", "10"])
    curves.add(point("A", 100))
    order.append(None)
    assert class_curves.measure(curves, args, "", take) == []
    assert order[1:] == [("A", 10), ("B", 10), ("B", 100)]


def test_what_the_points_before_put_beyond_the_bounds_is_left_out(curves):
    for classes in (10, 100):
        curves.add(point("slow", classes, first=classes / 2))
        curves.add(point("large", classes, mib=50.0 * classes))
        curves.add(point("long", classes, wall=float(classes)))
    assert curves.reckoned("slow", 1000, "first_s") == pytest.approx(500)
    args = parse(["--methods", "slow", "large", "long", "--classes", "1000", "--minutes", "15"])
    slow, large, long = class_curves.measure(curves, args, "", None)
    assert slow == "slow, 1,000 classes: first step reckoned after 500 s"
    assert large == "large, 1,000 classes: reckoned to need 48.8 GiB"
    assert long == "long, 1,000 classes: about 1000 s, and 900 s are left"


def test_after_a_point_that_was_late_larger_ones_are_left_out_until_there_is_more_time(curves):
    told = {"told": "no first step within 60 s", "patience": 60.0}
    curves.add({"method": "A", "classes": 100, **told})
    words = ["--methods", "A", "--classes", "100", "1000"]
    assert class_curves.measure(curves, parse(words), "", None) == [
        "A, 100 classes: no first step within 60 s",
        "A, 1,000 classes: with 100 classes no first step within 60 s",
    ]
    more = parse([*words, "--patience", "90"])
    assert class_curves.measure(curves, more, "", lambda *words: point(*words[:2])) == []
    assert [row["classes"] for row in curves.of("A")] == [100, 1000]


def test_a_file_of_other_settings_is_refused(curves):
    curves.add(point("A", 10))
    with pytest.raises(SystemExit, match=r"curves\.json is of another limit; name another file"):
        Curves(curves.file, {"limit": "2G"})
    assert Curves(curves.file, {}).about == {"limit": "none"}  # only to be shown


def test_a_failed_point_is_named_and_ends_the_command_with_an_error(curves, monkeypatch, capsys):
    args = parse(["--methods", "NoSuchMethod", "--classes", "10"])
    monkeypatch.setattr(class_curves, "of_child", lambda *words: of_child(["-c", "1 / 0"]))
    left_out = class_curves.measure(curves, args, "")
    assert left_out == ["NoSuchMethod, 10 classes: failed: ZeroDivisionError: division by zero"]
    monkeypatch.setattr(class_curves, "measure", lambda *words: left_out)
    with pytest.raises(SystemExit, match="failed: 1 of the points"):
        class_curves.main(["--json", str(curves.file.with_name("x.json")), "--weights", "x"])
