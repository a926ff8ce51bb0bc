"""parse_test_res.py against output written down by hand from the public parser's description, and
against what SoftCPT's printed (tests/golden/softcpt/parse.json)."""

import json
from pathlib import Path

import pytest

from parse_test_res import main

GOLDEN = Path(__file__).parents[2] / "golden/softcpt/parse.json"


def write(folder, seed, text):
    (folder / seed).mkdir(parents=True)
    (folder / seed / "log.txt").write_text(text)


@pytest.fixture
def seeds(tmp_path):
    """Three trained seeds; validation lines stand before the end of training."""
    for seed, accuracy in (("seed1", "81.0"), ("seed2", "82.0"), ("seed10", "83.0")):
        text = f"* accuracy: 11.0%\nFinish training\n=> result\n* accuracy: {accuracy}%\n"
        write(tmp_path / "run", seed, text + "* macro_f1: 70.0%\n")
    return tmp_path / "run"


def test_mean_and_population_deviation(seeds, capsys):
    assert main([str(seeds)]) == 0
    assert capsys.readouterr().out == (
        f"Parsing files in {seeds}\n"
        f"file: {seeds}/seed1/log.txt. accuracy: 81.00%. \n"
        f"file: {seeds}/seed10/log.txt. accuracy: 83.00%. \n"
        f"file: {seeds}/seed2/log.txt. accuracy: 82.00%. \n"
        "===\n"
        f"Summary of directory: {seeds}\n"
        "* accuracy: 82.00% +- 0.82%\n"
        "===\n"
    )


@pytest.mark.parametrize(
    "words, line",
    [
        (["--ci95"], "* accuracy: 82.00% +- 0.92%"),
        (["--test-log"], "* accuracy: 82.00% +- 0.82%"),
        (["--keyword", "macro_f1"], "* macro_f1: 70.00% +- 0.00%"),
    ],
)
def test_flags(seeds, capsys, words, line):
    assert main([str(seeds), *words]) == 0
    assert line in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("end", ["Finish training", "Finished training"])
def test_both_ends_of_training_are_known(tmp_path, capsys, end):
    write(tmp_path, "seed1", f"{end}\n* accuracy: 81.5%\n")
    write(tmp_path, "seed2", "no end\n* accuracy: 99.0%\n")  # left out silently
    assert main([str(tmp_path)]) == 0
    assert "* accuracy: 81.50% +- 0.00%" in capsys.readouterr().out


def test_an_evaluation_needs_test_log(tmp_path, capsys):
    write(tmp_path, "seed1", "=> result\n* accuracy: 81.5%\n")
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"error: Nothing found in {tmp_path}; try with --test-log, or another --keyword\n"
    )
    assert main([str(tmp_path), "--test-log"]) == 0


def test_log_txt_counts_where_it_has_ended_and_hidden_folders_are_passed_over(seeds, capsys):
    (seeds / "seed1/log.txt-2026-01-01-00-00-00").write_text("Finish training\n* accuracy: 1.0%\n")
    (seeds / ".cache").mkdir()
    assert main([str(seeds)]) == 0
    assert "1.00%" not in capsys.readouterr().out.replace("81.00%", "")


def test_a_finished_log_behind_a_crashed_one_is_found(seeds, capsys):
    crashed = seeds / "seed1"
    (crashed / "log.txt").rename(crashed / "log.txt-2026-01-01-00-00-00")
    (crashed / "log.txt-2026-02-01-00-00-00").write_text("epoch [1/5]\n")  # crashed again
    (crashed / "log.txt").write_text("* accuracy: 11.0%\nTraceback (most recent call last):\n")
    assert main([str(seeds)]) == 0
    out = capsys.readouterr().out
    assert f"file: {crashed}/log.txt-2026-01-01-00-00-00. accuracy: 81.00%. " in out
    assert "* accuracy: 82.00% +- 0.82%" in out


def test_several_experiments(seeds, capsys):
    write(seeds.parent / "sun", "seed1", "Finish training\n* accuracy: 60.0%\n")
    assert main([str(seeds.parent), "--multi-exp"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["Average performance", "* accuracy: 71.00%"]


def test_a_folder_without_a_log_is_named(seeds, capsys):
    (seeds / "seed3").mkdir()
    assert main([str(seeds)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {seeds}/seed3/log.txt: no such file;")


def test_it_reads_the_folders_of_the_scripts(tmp_path, capsys):
    folder = tmp_path / "output/base2new/test_new/dtd/shots_16/MaPLe/vit_b16_c2_ep5_batch4_2ctx"
    write(folder, "seed1", "=> result\n* total: 1,000\n* accuracy: 59.2%\n* error: 40.8%\n")
    assert main([str(folder), "--test-log"]) == 0
    assert "* accuracy: 59.20% +- 0.00%" in capsys.readouterr().out


@pytest.fixture
def several_tasks(tmp_path):
    """The logs of the golden case, in a folder."""
    for seed, text in json.loads(GOLDEN.read_text())["logs"].items():
        write(tmp_path / "run", seed, text)
    return tmp_path / "run"


@pytest.mark.parametrize("case", ["plain", "test_log", "ci95", "average"])
def test_several_tasks_as_the_published_parser_prints_them(several_tasks, capsys, case):
    expected = json.loads(GOLDEN.read_text())["outputs"][case]
    assert main([str(several_tasks), *expected["args"]]) == 0
    lines = [line.replace("DIR", str(several_tasks)) for line in expected["stdout"]]
    assert capsys.readouterr().out.splitlines() == lines


def test_tasks_of_a_validation_during_training_do_not_count(several_tasks, capsys):
    log = several_tasks / "seed1/log.txt"
    early = "=> result\n* overall_metric: 1.00%\n* task: 7 (early)\ttotal: 1\tmetric: 1.00%\n"
    log.write_text(early + log.read_text())
    assert main([str(several_tasks)]) == 0
    out = capsys.readouterr().out
    assert "* overall_metric: 66.47% +- 0.59%" in out and "* 7:" not in out


def test_accuracy_can_still_be_asked_for(several_tasks, capsys):
    assert main([str(several_tasks), "--keyword", "accuracy"]) == 2
    assert "Nothing found" in capsys.readouterr().err


def test_experiments_of_both_kinds_have_an_average_each(several_tasks, capsys):
    write(several_tasks.parent / "single", "seed1", "Finish training\n* accuracy: 60.0%\n")
    assert main([str(several_tasks.parent), "--multi-exp"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:] == ["Average performance", "* overall_metric: 66.47%", "* accuracy: 60.00%"]
