"""What is found below an output folder, in every layout, and how each run stands."""

import fcntl
import json
import os

import pytest

from runner.errors import UserError
from tests.unit.runner.folders import collect, log, result, run_folder


def only(folder):
    (run,) = collect(folder)
    return run


@pytest.mark.parametrize(
    "path, mode, subset",
    [
        ("train_base/CoOp/dtd/shots16/vit_b16/seed1", "b2n", "base"),
        ("test_base/CoOp/dtd/shots16/vit_b16/seed1", "b2n", "base"),
        ("test_new/CoOp/dtd/shots16/vit_b16/seed1", "b2n", "new"),
        ("train_all/CoOp/dtd/shots16/vit_b16/seed1", "fs", "all"),
        ("test_all/CoOp/dtd/shots16/vit_b16/seed1", "fs", "all"),
        ("CoOp/dtd/shots16/vit_b16/seed1", "xd", "all"),
        ("CoOp/imagenetv2/shots16/vit_b16/seed1", "dg", "all"),
    ],
)
def test_folders_of_the_runner(tmp_path, path, mode, subset):
    result(tmp_path / "outputs/coop" / path, val_accuracy=71.5, job_key="k")
    run = only(tmp_path / "outputs/coop")
    dataset = path.split("/CoOp/")[-1].removeprefix("CoOp/").split("/")[0]
    assert (run.experiment, run.layout, run.mode, run.subset) == ("coop", "runner", mode, subset)
    assert (run.trainer, run.cfg, run.dataset) == ("CoOp", "vit_b16", dataset)
    assert (run.shots, run.seed, run.state, run.accuracy) == (16, 1, "done", 80.04)
    assert (run.error_rate, run.macro_f1, run.val_accuracy) == (20.0, 79.5, 71.5)
    assert (run.trainable_parameters, run.epochs, run.num_test) == (2048, 10, 1000)
    assert (run.seconds_train, run.peak_memory_mb, run.key) == (50.0, 900.0, "k")
    assert (run.versions, run.commit, run.config) == ("python=3.11", "abc", "")


SCRIPTS = [
    # path, then trainer, cfg, dataset, shots, seed, mode, subset
    (
        "output/base2new/train_base/dtd/shots_16/MaPLe/c2/seed2",
        ("MaPLe", "c2", "dtd", 16, 2, "b2n", "base"),
    ),
    (
        "output/base2new/test_new/dtd/shots_16/MaPLe/c2/seed2",
        ("MaPLe", "c2", "dtd", 16, 2, "b2n", "new"),
    ),
    (
        "output/base2new/test_base/dtd/shots_16/MaPLe/c2/seed2",
        ("MaPLe", "c2", "dtd", 16, 2, "b2n", "base"),
    ),
    (
        "output/base2new/train_base/dtd/shots_16_8.0/KgCoOp/ep100/seed1",
        ("KgCoOp", "ep100_8.0", "dtd", 16, 1, "b2n", "base"),
    ),
    (
        "output/imagenet/MaPLe/c2_cross_datasets_16shots/seed1",
        ("MaPLe", "c2_cross_datasets", "imagenet", 16, 1, "xd", "all"),
    ),
    (
        "output/evaluation/MaPLe/c2_16shots/food101/seed3",
        ("MaPLe", "c2", "food101", 16, 3, "xd", "all"),
    ),
    (
        "output/evaluation/CoOp/rn50_16shots/nctx16_cscFalse_ctpend/imagenet_r/seed3",
        ("CoOp", "rn50_nctx16_cscFalse_ctpend", "imagenet_r", 16, 3, "dg", "all"),
    ),
    (
        "output/caltech101/CoOp/rn50_ep50_1shots/nctx16_cscFalse_ctpend/seed3",
        ("CoOp", "rn50_ep50_nctx16_cscFalse_ctpend", "caltech101", 1, 3, "fs", "all"),
    ),
    (
        "output/dtd/PromptSRC/ep50_few_shot_4shots/seed1",
        ("PromptSRC", "ep50_few_shot", "dtd", 4, 1, "fs", "all"),
    ),
    (
        "output/few_shot/dtd/PromptSRC/ep50_few_shot_4shots/seed1",
        ("PromptSRC", "ep50_few_shot", "dtd", 4, 1, "fs", "all"),
    ),
    (
        "output/general10/MTCoOp/rn50_16shots/cnctx0_typelin_ratio1_loss/seed1",
        ("MTCoOp", "rn50_cnctx0_typelin_ratio1_loss", "general10", 16, 1, "fs", "all"),
    ),
    (
        "output/base2new/general10/MTCoOp/rn50_16shots/cnctx0_loss/new/seed1",
        ("MTCoOp", "rn50_cnctx0_loss", "general10", 16, 1, "b2n", "new"),
    ),
    (
        "output/ZeroshotCLIP/vit_b16/dtd",
        ("ZeroshotCLIP", "vit_b16", "dtd", 0, -1, "fs", "all"),
    ),
    (
        "output/base2new/ZeroshotCLIP/rn50/new/general10-1",
        ("ZeroshotCLIP", "rn50", "general10-1", 0, -1, "b2n", "new"),
    ),
]


@pytest.mark.parametrize("path, expected", SCRIPTS, ids=[path for path, _ in SCRIPTS])
def test_folders_of_the_shell_scripts(tmp_path, path, expected):
    log(tmp_path / path, 81.5, trained="evaluation" not in path)
    run = only(tmp_path / "output")
    found = (run.trainer, run.cfg, run.dataset, run.shots, run.seed, run.mode, run.subset)
    assert found == expected
    assert (run.layout, run.experiment, run.state, run.from_log) == (
        *("scripts", "output", "done", True),
    )
    assert (run.accuracy, run.num_test, run.config) == (
        81.5,
        1000,
        str(tmp_path / path / "log.txt"),
    )
    assert collect(tmp_path / path) == [run]  # the run's own folder will do


def test_few_shot_runs_that_the_published_script_puts_with_base_classes(tmp_path):
    folder = tmp_path / "output_1120_xd/base2new/train_base/dtd/shots_4_8.0/KgCoOp/ep100/seed1"
    log(folder, 70.0)
    text = (folder / "log.txt").read_text()
    (folder / "log.txt").write_text(f"DATASET:\n  SUBSAMPLE_CLASSES: all\n{text}")
    assert (only(tmp_path).mode, only(tmp_path).subset) == ("fs", "all")


def test_the_training_of_an_evaluation_is_its_source(tmp_path):
    log(tmp_path / "imagenet/CoCoOp/c4_16shots/seed1", 71.0)
    assert only(tmp_path).mode == "fs"
    log(tmp_path / "evaluation/CoCoOp/c4_16shots/dtd/seed1", 45.0, trained=False)
    assert [run.mode for run in collect(tmp_path)] == ["xd", "xd"]


def test_older_few_shot_runs_lie_where_cross_dataset_runs_do(tmp_path):
    for dataset in ("imagenet", "dtd"):
        log(run_folder(tmp_path, dataset=dataset), 70.0, trained=False)
    assert {run.mode for run in collect(tmp_path)} == {"xd"}
    log(run_folder(tmp_path, dataset="dtd"), 70.0)  # trained, so not on ImageNet
    assert {run.mode for run in collect(tmp_path)} == {"fs"}


def test_names_of_experiments(tmp_path):
    outputs = tmp_path / "outputs"
    for name in ("coop", "coop/weights-zoo", "demo/coop", "coop/w0.7_exp6.5"):
        result(run_folder(outputs / name, "test_base"))
    names = {run.experiment for run in collect(outputs)}
    assert names == {"coop", "coop/weights-zoo", "demo/coop", "coop/w0.7_exp6.5"}
    for below in ("", "/test_base", "/test_base/CoOp/dtd"):
        found = {run.experiment for run in collect(tmp_path / f"outputs/coop/weights-zoo{below}")}
        assert found == {"coop/weights-zoo"}


def test_seeds_are_in_the_order_of_numbers(tmp_path):
    for seed in (10, 2, 1):
        result(run_folder(tmp_path, "train_base", seed=seed))
    assert [run.seed for run in collect(tmp_path)] == [1, 2, 10]


def test_a_whole_result_goes_before_the_log(tmp_path):
    folder = log(result(run_folder(tmp_path, "train_base"), 80.04), 55.0)
    assert (only(tmp_path).accuracy, only(tmp_path).from_log) == (80.04, False)
    text = (folder / "result.json").read_text()
    (folder / "result.json").write_text(text[: len(text) // 2])
    run = only(tmp_path)
    assert (run.state, run.accuracy, run.from_log) == ("done", 55.0, True)
    assert run.reason == "result.json is not whole; the accuracy is that of log.txt"


def test_the_newest_log_that_ended(tmp_path):
    folder = log(run_folder(tmp_path, "train_base"), 55.0)
    newer = log(folder, 66.0, name="log.txt-2026-01-01-00-00-00") / "log.txt-2026-01-01-00-00-00"
    newest = folder / "log.txt-2026-02-01-00-00-00"
    newest.write_text("epoch [1/5] batch [1/5]\n=> result\n* accuracy: 11.0%\n")
    for age, path in ((3, folder / "log.txt"), (2, newer), (1, newest)):
        os.utime(path, (1e9 - age, 1e9 - age))
    run = only(tmp_path)
    assert (run.accuracy, run.config) == (66.0, str(newer))


def test_the_validation_behind_training_is_not_the_test(tmp_path):
    folder = log(run_folder(tmp_path, "train_base"), 55.0)
    text = (folder / "log.txt").read_text()
    (folder / "log.txt").write_text(text.replace("*test*", "*val*"))
    run = only(tmp_path)
    assert (run.state, run.accuracy, run.reason) == ("missing", None, "log.txt has no end")
    (folder / "log.txt").write_text(text.replace("*test*", "*val*") + text)
    assert only(tmp_path).accuracy == 55.0


def test_a_bare_log_of_lines_that_the_published_tally_reads(tmp_path):
    folder = run_folder(tmp_path, "train_base")
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("* accuracy: 73.3%\n")
    assert only(tmp_path).accuracy == 73.3


def test_metrics_of_tasks(tmp_path):
    tasks = [{"name": "t", "dataset": "dtd", "metric": 60.0}]
    result(run_folder(tmp_path, "train_all", dataset="general10"), 60.0, tasks=tasks)
    assert (only(tmp_path).task_dataset, only(tmp_path).accuracy) == ("dtd", 60.0)


def console_of(root, *, step="train_base", text=""):
    path = root / f"console/{step}-CoOp-dtd-shots16-vit_b16-seed1.txt"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_a_run_whose_console_is_held_is_running(tmp_path):
    run_folder(tmp_path, "train_base").mkdir(parents=True)
    with console_of(tmp_path).open("ab") as console:
        fcntl.flock(console, fcntl.LOCK_EX)
        assert (only(tmp_path).state, only(tmp_path).reason) == ("running", "still running")
    assert (only(tmp_path).state, only(tmp_path).reason) == ("missing", "stopped before its end")


def test_a_failed_run_says_why(tmp_path):
    folder = run_folder(tmp_path, "train_base")
    folder.mkdir(parents=True)
    text = "# started now\nTraceback (most recent call last):\n  File x\nValueError: too deep\n"
    console = console_of(tmp_path, text=text)
    assert (only(tmp_path).state, only(tmp_path).reason) == ("failed", "ValueError: too deep")
    console.write_text("# started now\nerror: no folder data/dtd\n")
    assert only(tmp_path).reason == "error: no folder data/dtd"
    console.unlink()
    assert (only(tmp_path).state, only(tmp_path).reason) == ("missing", "no result.json or log.txt")
    (folder / "exceptions.txt").write_text("Traceback (most recent call last):\nKeyError: 'a'\n")
    assert (only(tmp_path).state, only(tmp_path).reason) == ("failed", "KeyError: 'a'")


def test_a_run_that_failed_before_it_had_a_folder(tmp_path):
    console = console_of(tmp_path / "coop", text="# started now\nerror: no folder data/dtd\n")
    planned = {f"train_base/CoOp/dtd/shots16/vit_b16/seed{seed}": "x" for seed in (1, 2)}
    console.with_name("planned.json").write_text(json.dumps({"runs": planned}))
    run = only(tmp_path)
    assert (run.experiment, run.state, run.dataset, run.seed) == ("coop", "failed", "dtd", 1)
    assert run.folder == str(run_folder(tmp_path / "coop", "train_base"))


def test_a_log_of_a_run_that_this_runner_started_is_no_result(tmp_path):
    log(run_folder(tmp_path, "train_base"), 55.0)
    console_of(tmp_path, text="# started now\n")
    assert (only(tmp_path).state, only(tmp_path).accuracy) == ("missing", None)


def test_links_foreign_files_and_circles_do_not_stop_it(tmp_path):
    real = tmp_path / "scratch/coop"
    result(run_folder(real, "train_base"))
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    (outputs / "coop").symlink_to(real)
    (outputs / "again").symlink_to(outputs)
    (outputs / "broken").symlink_to(tmp_path / "nowhere")
    (outputs / "self").symlink_to("self")
    (outputs / "notes.txt").write_text("seed1")
    (outputs / "result.json").write_text("[1, 2]")
    (outputs / ".hidden/train_base/CoOp/dtd/shots16/vit_b16/seed9").mkdir(parents=True)
    run = only(outputs)
    assert (run.experiment, run.folder) == ("coop", str(run_folder(outputs / "coop", "train_base")))


def test_a_folder_counts_once_by_its_own_name(tmp_path):
    folder = result(run_folder(tmp_path, "train_base", seed=2))
    folder.with_name("seed1").symlink_to(folder)
    assert only(tmp_path).seed == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_named(tmp_path, caplog):
    result(run_folder(tmp_path, "train_base"))
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    assert len(collect(tmp_path)) == 1
    assert caplog.messages == [f"{closed}: may not be read, so nothing of it is here"]


def test_a_run_by_hand_is_known_by_its_result(tmp_path):
    result(tmp_path / "mine/try1", dataset="DescribableTextures", seed=3, shots=4)
    run = only(tmp_path)
    assert (run.layout, run.mode, run.trainer) == ("other", "", "CoOp")
    assert (run.dataset, run.accuracy) == ("DescribableTextures", 80.04)
    assert (run.cfg, run.seed, run.shots, run.experiment) == ("", 3, 4, "mine")


def test_what_holds_no_run_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "photos/cat").mkdir(parents=True)
    for name, said in (
        ("nowhere", "no such folder"),
        ("file", "a file; give the folder of runs"),
        ("photos", "no run below it; looked for [train_base|"),
    ):
        with pytest.raises(UserError) as error:
            collect(tmp_path / name)
        assert len(error.value.problems) == 1
        assert error.value.problems[0].startswith(f"{tmp_path / name}: {said}")


@pytest.mark.parametrize("value", [10**400, float("nan"), -1, True, "9"])
def test_a_cost_that_is_no_number_is_not_known(tmp_path, value):
    result(run_folder(tmp_path), peak_memory_mb=value, epochs=value, seconds={"train": value})
    run = only(tmp_path)
    assert (run.state, run.peak_memory_mb, run.epochs, run.seconds_train) == (
        *("done", None, None, None),
    )


def test_the_persons_word_on_the_mode_wins_over_the_guess(tmp_path):
    for dataset in ("imagenet", "dtd", "imagenetv2"):
        log(run_folder(tmp_path, dataset=dataset), 70.0)  # all trained, it seems: few-shot
    assert {run.mode for run in collect(tmp_path)} == {"fs"}
    found = {run.dataset: run.mode for run in collect(tmp_path, mode="xd")}
    assert found == {"imagenet": "xd", "dtd": "xd", "imagenetv2": "dg"}
    result(run_folder(tmp_path, "train_base"))  # whose folder says it
    assert "b2n" in {run.mode for run in collect(tmp_path, mode="xd")}


def test_the_settings_of_a_log(tmp_path):
    folder = result(run_folder(tmp_path, cfg="rn50_ep50"))
    assert only(tmp_path).backbone == "RN50"  # by the YAML's name
    head = "** Arguments **\nopts: ['DATASET.NUM_SHOTS', '4', 'A.B', '7']\n** Config **\n"
    tree = "MODEL:\n  BACKBONE:\n    PATH: p\n    NAME: a/b/x.pt\n  NAME: no\n"
    (folder / "log.txt").write_text(f"{head}{tree}")
    run = only(tmp_path)
    assert (run.settings, run.backbone) == ("A.B 7", "x.pt")
    (folder / "log.txt").write_bytes(b"\xff\x00 nothing\n** Config **\n  : :\n      x\n")
    assert (only(tmp_path).settings, only(tmp_path).backbone) == ("", "RN50")
