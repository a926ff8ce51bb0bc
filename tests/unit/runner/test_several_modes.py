"""Several experiments in several modes by one command: what they share runs once."""

import csv

SEED = ("--seeds", "1")


def starts(lab):
    return [line["out"] for line in lab.events("start")]


def test_each_experiment_runs_in_each_mode(lab):
    words = ("--cfg", "coop", "maple", "--mode", "b2n,xd", "--datasets", "dtd", *SEED)
    done = lab.run(*words)
    assert done.returncode == 0, done.stderr
    assert len(starts(lab)) == 2 * (2 + 2)
    tables = {path.name for path in (lab.path / "results/coop").glob("*.csv")}
    assert tables == {"b2n-CoOp-vit_b16_ep10_bs4_lr35.csv", "xd-CoOp-vit_b16_ep50_ctxv1.csv"}
    joint = lab.path / "results/coop+maple"
    assert {path.name for path in joint.iterdir()} == {"b2n.csv", "b2n.png", "xd.csv", "xd.png"}
    lab.forget()
    assert "all done" in lab.run(*words).stdout and not starts(lab)


def test_the_training_of_xd_runs_once_and_stands_in_both_tables(lab):
    words = ("--cfg", "coop", "--mode", "xd", "dg", "--datasets", "dtd,imagenet_a", *SEED)
    shown = lab.run(*words, "--dry-run")
    done = lab.run(*words)
    assert done.returncode == 0, done.stderr
    assert "3 jobs: 0 done, 3 to run" in done.stdout
    assert len(shown.stdout.splitlines()) == len(starts(lab)) == len(set(starts(lab))) == 3
    for mode in ("xd", "dg"):
        path = lab.path / f"results/coop/{mode}-CoOp-vit_b16_ep50_ctxv1.csv"
        assert "imagenet,61.0,61.0" in path.read_text()


def test_a_failed_training_that_modes_share_is_told_once(lab):
    lab.rules = [{"match": "/imagenet/", "exit": 1}]
    done = lab.run("--cfg", "coop", "--mode", "xd,dg", "--datasets", "dtd,imagenet_a", *SEED)
    assert done.returncode == 1
    assert "1 run failed" in done.stdout
    assert done.stdout.count("not run, since their training failed: coop dtd seed1 test all, ") == 1


def test_base_to_new_at_its_own_shots_is_part_of_that_at_several(lab):
    words = ("--cfg", "coop", "--mode", "fs-b2n", "b2n", "--datasets", "dtd", *SEED)
    done = lab.run(*words)
    assert done.returncode == 0, done.stderr
    assert len(starts(lab)) == 6
    with (lab.path / "results/coop/b2n-CoOp-vit_b16_ep10_bs4_lr35.csv").open() as file:
        assert next(csv.DictReader(file))["new_acc"] == "61.0"


def test_runs_of_one_name_in_two_folders_are_two(lab):
    done = lab.run("--cfg", "zsclip", "--mode", "xd", "fs", "--datasets", "dtd", "--shots", "1,2")
    assert done.returncode == 0, done.stderr
    assert sorted(out.split("/")[2] for out in starts(lab)) == [
        *("ZeroshotCLIP", "ZeroshotCLIP", "test_all"),
    ]


def test_an_experiment_without_one_of_the_modes_is_refused_by_name_and_left_out_by_all(lab):
    done = lab.run("--cfg", "coop", "probe", "--mode", "b2n", "xd", "--dry-run")
    assert done.returncode == 2
    assert done.stderr == "error: --mode xd: probe has b2n, fs, fs-b2n, mt\n"
    lab.provide_yamls()
    done = lab.run("--cfg", "all", "--mode", "b2n", "xd", "--dry-run", "--datasets", "dtd", *SEED)
    assert done.returncode == 0, done.stderr
    assert "--cfg all: without " in done.stderr
    probes = [line for line in done.stdout.splitlines() if "--trainer Probe" in line]
    assert len(probes) == 1 and "train_base" in probes[0]
