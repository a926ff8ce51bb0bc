"""Where few-shot caches are written: beside the data or, if that takes no file, in the output
folder; by several runs at once; for tasks.
"""

import errno
import json
import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from datasets.eurosat import EuroSAT
from datasets.general10 import General10
from datasets.oxford_pets import OxfordPets
from tests.support import command
from tests.support.dataset_tree import small_lists, write_tree
from tests.support.kept_draws import (
    NAME,
    SEED,
    SHOTS,
    block,
    change,
    kept_cfg,
    message_of,
    read,
    rows_of,
)

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path):
    return write_tree(tmp_path / "data", OxfordPets, small_lists())


@pytest.fixture
def output(tmp_path):
    return tmp_path / "output"


def test_a_folder_that_takes_no_file_sends_the_cache_to_the_output_folder(folder, output, capsys):
    block(folder)
    expected = rows_of(read(folder, output, save=False))
    assert rows_of(read(folder, output)) == expected
    content = json.loads((output / NAME).read_text())
    assert content["train"] == expected["train"]
    notices = [line for line in capsys.readouterr().out.splitlines() if "Notice" in line]
    assert notices == [
        f"Notice: {folder / NAME} cannot be written (File exists); "
        f"the few-shot draw is kept in {output / NAME}"
    ]


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_read_only_or_full_disk_is_no_obstacle(folder, output, capsys, monkeypatch, code):
    mkdir = Path.mkdir

    def refuse(path, *args, **options):
        if folder in path.parents:
            raise OSError(code, os.strerror(code))
        mkdir(path, *args, **options)

    monkeypatch.setattr(Path, "mkdir", refuse)
    read(folder, output)
    assert (output / NAME).is_file() and not (folder / "split_fewshot").exists()
    assert f"cannot be written ({os.strerror(code)}); the few" in capsys.readouterr().out


@pytest.mark.parametrize("output_dir", ["", "blocked"])
def test_without_any_folder_to_write_to_the_run_goes_on(folder, tmp_path, capsys, output_dir):
    block(folder)
    if output_dir:
        output_dir = tmp_path / output_dir
        output_dir.touch()
    assert len(read(folder, output_dir).train_x) == SHOTS * 4
    (notice,) = [line for line in capsys.readouterr().out.splitlines() if "Notice" in line]
    assert str(folder / NAME) in notice and notice.endswith("the few-shot draw is not kept")


def test_a_resumed_run_keeps_its_images_though_the_split_file_changed(folder, output, capsys):
    block(folder)
    expected = rows_of(read(folder, output))
    lists = small_lists()
    lists["train"].reverse()
    (folder / OxfordPets.split_file).write_text(json.dumps(lists))
    assert rows_of(read(folder)) != expected
    capsys.readouterr()
    assert rows_of(read(folder, output, save=False)) == expected
    assert f"{output / NAME} is used, but holds other images" in capsys.readouterr().out
    (folder / OxfordPets.images / expected["train"][0][0]).unlink()
    (folder / OxfordPets.split_file).write_text(
        json.dumps(
            {
                split: [row for row in rows if row[0] != expected["train"][0][0]]
                for split, rows in lists.items()
            }
        )
    )
    message = message_of(folder, output)
    assert str(output / NAME) in message and "1 of the images are not in" in message


def suite(root, output, task="task2"):
    cfg = kept_cfg(root, output)
    cfg.DATASET.SUBSAMPLE_TASKS = task
    random.seed(SEED)
    return General10(cfg)


def test_a_task_writes_and_reads_the_draw_of_its_single_task_run(tmp_path, output):
    folder = write_tree(tmp_path, EuroSAT, small_lists(["river", "lake"]))
    suite(tmp_path, output)
    written = (folder / NAME).read_bytes()
    (folder / NAME).unlink()
    rows = rows_of(read(folder, dataset=EuroSAT))
    assert (folder / NAME).read_bytes() == written
    change(folder / NAME, val=[])
    found = suite(tmp_path, output)
    assert [Path(item.impath).name for item in found.train_x] == [row[0] for row in rows["train"]]
    assert found.val == []


def test_tasks_have_folders_of_their_own_in_the_output_folder(tmp_path, output):
    folder = write_tree(tmp_path, EuroSAT, small_lists(["river", "lake"]))
    block(folder)
    suite(tmp_path, output)
    path = output / "split_fewshot" / "EuroSAT" / Path(NAME).name
    assert json.loads(path.read_text())["dataset"] == "EuroSAT"


def test_a_task_of_softcpts_split_file_writes_no_draw(tmp_path, output, capsys):
    folder = write_tree(tmp_path, EuroSAT, small_lists(["river", "lake"]))
    lists = {
        split: [[name, [label], [0]] for name, label, _ in rows]
        for split, rows in small_lists(["river", "lake"]).items()
    }
    lists["meta"] = {"taskid2cname": [["river", "lake"]]}
    source = folder / "split_dk_EuroSAT.json"
    source.write_text(json.dumps(lists))
    suite(tmp_path, output)
    assert not (folder / "split_fewshot").exists() and not output.exists()
    assert (
        "SAVE_FEWSHOT writes nothing without a seed, or of a split file" in capsys.readouterr().out
    )


RACER = """
import builtins, json, random, sys, time
from pathlib import Path
from datasets.oxford_pets import OxfordPets
from tests.support.dataset_tree import dataset_cfg


def slow_open(path, *args, **options):
    file = plain_open(path, *args, **options)
    if "split_fewshot" in str(path) and file.writable():
        write = file.write

        def write_slowly(data):  # long enough for the other run to come by
            write(data[:100])
            file.flush()
            time.sleep(0.05)
            write(data[100:])

        file.write = write_slowly
    return file


plain_open, builtins.open = builtins.open, slow_open
root, go, me = map(Path, sys.argv[1:])
me.touch()
while not go.exists():
    time.sleep(0.001)
drawn, pause = [], random.Random(me.name)
for seed in [seed for seed in range(12) for _ in range(4)]:
    time.sleep(pause.uniform(0, 0.03))
    cfg = dataset_cfg(root, shots=40, seed=seed)
    cfg.DATASET.SAVE_FEWSHOT = True
    random.seed(seed)
    found = OxfordPets(cfg)
    drawn.append([item.impath for item in [*found.train_x, *found.val]])
print("drawn " + json.dumps(drawn))
"""


def test_two_runs_that_start_together_write_one_whole_cache(tmp_path):
    root = tmp_path / "data"
    folder = write_tree(root, OxfordPets, small_lists(train=60, val=6))
    go, mine = tmp_path / "go", [tmp_path / "first", tmp_path / "second"]
    runs = [
        command.Forked(
            ["-c", RACER, str(root), str(go), str(me)],
            cwd=REPOSITORY,
            env=command.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for me in mine
    ]
    while not all(me.exists() for me in mine) and all(run.poll() is None for run in runs):
        time.sleep(0.001)
    go.touch()
    ended = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], ended
    first, second = (out.splitlines()[-1] for out, _ in ended)
    assert first == second and first.startswith("drawn ")
    assert "Warning" not in ended[0][0] + ended[1][0]
    names = [f"shot_40-seed_{seed}.json" for seed in range(12)]
    assert sorted(os.listdir(folder / "split_fewshot")) == sorted(names)
    for name in names:
        assert len(json.loads((folder / "split_fewshot" / name).read_text())["train"]) == 160
