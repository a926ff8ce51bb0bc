"""The shell scripts' rules: what is skipped, what goes on, where data and weights are."""

import os

import pytest

from tests.support.script_run import SHELLS, copy_scripts, run_script

RUN = "dtd/shots_16/MaPLe/vit_b16_c2_ep5_batch4_2ctx/seed2"
TRAIN, TEST = "scripts/maple/base2new_train.sh dtd 2", "scripts/maple/base2new_test.sh dtd 2"
TRAINED, TESTED = f"output/base2new/train_base/{RUN}", f"output/base2new/test_new/{RUN}"
RESULT = "=> result\n* total: 10\n* accuracy: 50.0%\n"


@pytest.fixture
def checkout(tmp_path):
    return copy_scripts(tmp_path)


def write(checkout, folder, **files):
    """Files of a run; `log_txt` is log.txt."""
    path = checkout / "repo" / folder
    path.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (path / name.replace("_", ".")).write_text(text)
    return path


def write_model(checkout, age):
    """A trained model that is `age` seconds old."""
    path = checkout / "repo" / TRAINED / "MultiModalPromptLearner/model.pth.tar-5"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    then = path.stat().st_mtime - age
    os.utime(path, (then, then))


def test_a_finished_training_is_skipped_and_a_stopped_one_goes_on(checkout):
    write(checkout, TRAINED, log_txt=f"{RESULT}epoch [2/5]\n")
    assert len(run_script(checkout, TRAIN)[1]) == 1
    folder = write(checkout, TRAINED, log_txt=f"Finished training\n{RESULT}")
    done, calls = run_script(checkout, TRAIN)
    assert calls == [] and f"Skip: the result is in {TRAINED}" in done.stdout
    (folder / "log.txt").unlink()
    assert len(run_script(checkout, TRAIN)[1]) == 1
    write(checkout, TRAINED, result_json='{\n  "accuracy": 50.0\n}\n')
    assert run_script(checkout, TRAIN)[1] == []


def test_a_result_that_was_cut_short_is_none(checkout):
    write(checkout, TRAINED, result_json='{\n  "accuracy": 5')
    assert len(run_script(checkout, TRAIN)[1]) == 1


def test_an_old_evaluation_counts_by_its_log(checkout):
    write(checkout, TESTED, log_txt=RESULT)
    assert run_script(checkout, TEST)[1] == []


def test_a_multi_task_log_counts_by_its_mean(checkout):
    script = "scripts/zeroshot.sh general10 rn50 1"
    folder = "output/ZeroshotCLIP/rn50/general10-1"
    write(checkout, folder, log_txt="=> result\n* total: 10\n* overall_metric: 50.00%\n")
    assert run_script(checkout, script)[1] == []


def test_an_evaluation_of_another_model_is_run_again(checkout):
    """reproduce_* and base2new_test write to one folder; the log says whose result it is."""
    write_model(checkout, age=60)
    folder = write(checkout, TESTED, result_json="{}", log_txt=f"model_dir: {TRAINED}\n{RESULT}")
    assert run_script(checkout, TEST)[1] == []
    newer = folder / "log.txt-2026-01-01-00-00-00"
    newer.write_text(f"model_dir: /w/base/seed2\n{RESULT}")
    then = (folder / "log.txt").stat().st_mtime + 60
    os.utime(newer, (then, then))
    assert len(run_script(checkout, TEST)[1]) == 1


@pytest.mark.parametrize("command, run", [(TRAIN, TRAINED), (TEST, TESTED)])
def test_an_earlier_log_makes_room_for_the_one_that_parsers_read(checkout, command, run):
    folder = write(checkout, run, log_txt="stopped")
    os.utime(folder / "log.txt", (0, 0))
    assert len(run_script(checkout, command, TZ="UTC")[1]) == 1
    assert [path.name for path in folder.iterdir()] == ["log.txt-1970-01-01-00-00-00"]


def test_an_evaluation_older_than_its_model_is_run_again(checkout):
    write(checkout, TESTED, result_json="{}")
    write_model(checkout, age=60)
    assert run_script(checkout, TEST)[1] == []
    write_model(checkout, age=-60)
    assert len(run_script(checkout, TEST)[1]) == 1


@pytest.mark.parametrize(
    "command", ["scripts/coop/main.sh dtd rn50 end 16 16 False", "scripts/run.sh"]
)
def test_the_exit_code_is_that_of_train_py_and_ends_a_loop(checkout, command):
    done, calls = run_script(checkout, command, CODE="3")
    assert done.returncode == 3 and len(calls) == 1


@pytest.mark.parametrize(
    "command, env, message",
    [
        ("maple/base2new_train.sh dtd", {}, "base2new_train.sh: needs the arguments DATASET SEED"),
        ("main_mtcoop.sh dtd", {}, "main_mtcoop.sh: needs the arguments DATASET CONFIG SHOTS"),
        ("maple/base2new_train.sh dtd 1", {"DATA": ""}, "no data root: export DATA="),
        ("run.sh", {"DATA": ""}, "no data root: export DATA="),
        ("coop/eval.sh dtd rn50_val", {}, "configs/trainers/CoOp/rn50_val.yaml: no MAX_EPOCH"),
        ("coop/eval.sh dtd rn51", {}, "configs/trainers/CoOp/rn51.yaml: no such file"),
    ],
)
def test_mistakes_are_one_line(checkout, command, env, message):
    done, calls = run_script(checkout, f"scripts/{command}", **env)
    assert done.returncode == 2 and calls == []
    assert done.stderr.startswith(f"error: {message}") and done.stderr.count("\n") == 1


HERE, BOTH = 'export YOUR_DATA_PATH="in set_env"', "DATA=/first; YOUR_DATA_PATH=/second"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "env, set_env, root",
    [
        ({"DATA": "/a", "YOUR_DATA_PATH": "/b"}, BOTH, "/a"),
        ({"DATA": "", "YOUR_DATA_PATH": "/b"}, BOTH, "/b"),
        ({"DATA": ""}, BOTH, "/first"),
        ({"DATA": ""}, HERE, "{}/repo/in set_env"),
        ({"DATA": ""}, "PYTHONPATH=$NOWHERE:$PYTHONPATH; false", "{}/repo/data"),
        ({"DATA": ""}, None, "{}/repo/data"),
        ({"DATA": "mine"}, None, "{}/elsewhere/mine"),
    ],
)
def test_where_the_data_root_comes_from(checkout, shell, env, set_env, root):
    (checkout / "repo/data").mkdir()
    if set_env:
        (checkout / "repo/scripts/set_env.sh").write_text(f"#!/bin/sh\n{set_env}\n")
    command = "scripts/zsclip/zeroshot.sh dtd vit_b16"
    done, calls = run_script(checkout, command, shell=shell, **env)
    assert done.returncode == 0, done.stderr
    assert calls[0].startswith(f"train.py --root {root.format(checkout)} --trainer ")


def test_the_linear_probe_has_the_same_data_root(checkout):
    for command in ("scripts/linearprob.sh plant6 rn50 0", "lpclip/feat_extractor.sh dtd"):
        _, calls = run_script(checkout, command, cwd="repo", DATA="mine")
        assert f" --root {checkout}/repo/mine --seed 1 " in calls[0]


def test_set_env_may_name_the_interpreter(checkout):
    (checkout / "bin/python").rename(checkout / "repo/mine")
    (checkout / "repo/scripts/set_env.sh").write_text("PYTHON=./mine\n")
    assert len(run_script(checkout, "scripts/linearprob.sh plant6 rn50 0")[1]) == 4


def test_weights_are_looked_for_in_the_callers_folder(checkout):
    command = "scripts/promptsrc/reproduce_xd.sh dtd 1 weights/imagenet"
    _, calls = run_script(checkout, command)
    assert f" --model-dir {checkout}/elsewhere/weights/imagenet/seed1 " in calls[0]
    _, calls = run_script(checkout, command, cwd="repo")
    assert " --model-dir weights/imagenet/seed1 " in calls[0]


def test_the_interpreter_may_be_named(checkout):
    (checkout / "bin/python").rename(checkout / "elsewhere/mine")
    assert len(run_script(checkout, TRAIN, PYTHON="./mine")[1]) == 1
