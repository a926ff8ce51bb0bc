"""Evaluating a downloaded archive of checkpoints, over stub jobs."""

import os

import pytest

from runner.plan.archive import checkpoint_id

SEEDS = ("--seeds", "1,2")
YAML = "vit_b16_ep10_bs4_lr35"


def put(lab, *folders, content=b"weights"):
    """Make checkpoints in an archive `zoo` of the lab."""
    for folder in folders:
        path = lab.path / "zoo" / folder / "prompt_learner/model.pth.tar-50"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)


def starts(lab):
    return [line["out"] for line in lab.events("start")]


def test_base_and_new_of_every_checkpoint_without_training(lab):
    put(lab, "dtd/base/seed1", "dtd/base/seed2")
    words = ("--cfg", "coop", "--datasets", "dtd", *SEEDS, "--weights", "zoo")
    done = lab.run(*words)
    assert done.returncode == 0, done.stderr
    run = f"outputs/coop/weights-zoo/{{}}/CoOp/dtd/shots16/{YAML}/seed{{}}"
    assert sorted(starts(lab)) == sorted(
        run.format(step, seed) for step in ("test_base", "test_new") for seed in (1, 2)
    )
    assert [path.name for path in (lab.path / "results/coop").glob("*.csv")] == [
        f"b2n-CoOp-{YAML}-weights-zoo.csv"
    ]
    shown = lab.run(*words, "--dry-run").stdout.splitlines()
    model = "--model-dir zoo/dtd/base/seed1 --load-epoch -1 --eval-only"
    assert all("--eval-only" in line for line in shown) and sum(model in x for x in shown) == 2
    lab.forget()
    assert "4 jobs, all done" in lab.run(*words).stdout and starts(lab) == []


def test_own_training_is_another_run_and_another_table(lab):
    put(lab, "dtd/base/seed1")
    words = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1")
    assert lab.run(*words, "--weights", "zoo").returncode == 0
    assert lab.run(*words).returncode == 0
    assert len(starts(lab)) == 4
    names = {path.name for path in (lab.path / "results/coop").glob("*.csv")}
    assert names == {f"b2n-CoOp-{YAML}-weights-zoo.csv", f"b2n-CoOp-{YAML}.csv"}


def test_what_the_archive_lacks_is_named_and_the_rest_runs(lab):
    put(lab, "dtd/base/seed1", "eurosat/base/seed1", "eurosat/base/seed2")
    (lab.path / "zoo/dtd/base/seed2").mkdir()  # an empty folder is no checkpoint
    done = lab.run("--cfg", "coop", "--datasets", "dtd,eurosat", *SEEDS, "--weights", "zoo")
    assert done.returncode == 0
    assert done.stderr == (
        "left out: coop dtd seed2 test base (no checkpoint in zoo/dtd/base/seed2)\n"
        "left out: coop dtd seed2 test new (no checkpoint in zoo/dtd/base/seed2)\n"
    )
    assert (
        "not there: coop dtd seed2 test base (no checkpoint in zoo/dtd/base/seed2)" in done.stdout
    )
    text = (lab.path / f"results/coop/b2n-CoOp-{YAML}-weights-zoo.csv").read_text()
    assert "dtd,71.0,61.0," in text and ",,,,,\n" in text and "\naverage,71.0," in text
    assert len(starts(lab)) == 6


def test_another_archive_of_the_same_name_is_not_taken_for_this_one(lab):
    put(lab, "dtd/base/seed1")
    words = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1", "--weights", "zoo")
    lab.run(*words)
    path = lab.path / "zoo/dtd/base/seed1/prompt_learner/model.pth.tar-50"
    path.write_bytes(b"weights")
    os.utime(path, (1, 1))  # that of another archive
    done = lab.run(*words)
    assert done.returncode == 2
    assert "coop: 2 of 2 runs were made with other options, YAML or weights" in done.stderr


def test_a_moved_archive_is_the_same_one_and_a_renamed_file_is_not(lab):
    put(lab, "dtd/base/seed1")
    folder = lab.path / "zoo/dtd/base/seed1"
    before = checkpoint_id(folder)
    moved = lab.path / "moved"
    folder.rename(moved)
    assert checkpoint_id(moved) == before
    file = moved / "prompt_learner/model.pth.tar-50"
    file.write_bytes(b"weight")
    os.utime(file, (1, 1))
    shorter = checkpoint_id(moved)
    file.rename(moved / "prompt_learner/model.pth.tar-60")
    assert len({before, shorter, checkpoint_id(moved)}) == 3
    assert checkpoint_id(folder) == ""


def test_cross_dataset_and_variants_take_the_source_alone(lab):
    put(lab, "imagenet/seed1", "dtd/base/seed1")
    words = ("--cfg", "coop", "--seeds", "1", "--weights", "zoo", "--dry-run")
    for mode, number in (("xd", 11), ("dg", 5)):
        shown = lab.run(*words, "--mode", mode).stdout.splitlines()
        assert len(shown) == number
        assert all("--model-dir zoo/imagenet/seed1 " in line for line in shown)
        assert all("CoOp/vit_b16_ep50_ctxv1.yaml" in line for line in shown)


def test_few_shot_takes_a_folder_for_each_number_of_shots(lab):
    put(lab, "dtd/1shot/seed1", "dtd/16shot/seed1")
    words = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1", "--weights", "zoo")
    done = lab.run(*words, "--mode", "fs", "--shots", "1,4,16")
    assert done.returncode == 0, done.stderr
    table = lab.path / "results/coop/fs-CoOp-weights-zoo.csv"
    assert table.read_text().splitlines()[1] == "dtd,61.0,,61.0"
    assert "left out: coop dtd shots4 seed1 test all (no checkpoint in zoo/dtd/4shot/seed1)" in (
        done.stderr
    )


@pytest.mark.parametrize(
    "words, line",
    [
        (
            ["--weights", "nowhere"],
            "--weights nowhere: no such folder; give that of the unpacked archive",
        ),
        (
            ["--weights", "zoo"],
            "--weights zoo: holds none of the 2 checkpoints; mode b2n looks for "
            "<dataset>/base/seed<N>/<model>/model.pth.tar-<epoch>",
        ),
        (
            ["--weights", "zoo", "--mode", "fs-b2n"],
            "--mode fs-b2n: has no effect with --weights, which takes b2n, gb2n, xd, dg and fs",
        ),
        (
            ["--weights", "zoo", "--cfg", "zsclip"],
            "--weights has no effect with zsclip, which trains nothing",
        ),
    ],
)
def test_an_archive_that_cannot_be_used_is_one_line(lab, words, line):
    (lab.path / "zoo").mkdir()
    done = lab.run("--cfg", "coop", "--datasets", "dtd", "--seeds", "1", *words)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"error: {line}"


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_file_is_no_archive(lab, more):
    (lab.path / "zoo.zip").touch()
    done = lab.run("--cfg", "coop", "--weights", "zoo.zip", *more)
    assert done.returncode == 2
    assert done.stderr.startswith("error: --weights zoo.zip: no such folder; give that of the unp")
