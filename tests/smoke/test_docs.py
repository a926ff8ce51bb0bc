"""Every command in README.md and docs/ runs: what needs data, GPUs or minutes as a dry run."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from tests.support import command
from tests.unit.runner.report_pages import base_to_new

DOCS = command.PROJECT / "docs"
OWN_DATA = DOCS / "own_data.md"  # its lines build on each other
USE = {DOCS / f"{page}.md" for page in ("predict", "export", "interpret")}  # test_use_docs.py
PAGES = [command.PROJECT / "README.md", *sorted({*DOCS.glob("*.md")} - {OWN_DATA} - USE)]
CONTRIBUTING = command.PROJECT / "CONTRIBUTING.md"
PROGRAMS = ("python ", "make ", "pip ", "bash ", "DATA=", "export ")


def commands(page):
    """The commands of a page: indented lines that start with a program, comments cut."""
    lines = page.read_text(encoding="utf-8").splitlines()
    indented = [line.strip() for line in lines if line.startswith("    ")]
    return [re.sub(r"\s+# .*", "", line) for line in indented if line.startswith(PROGRAMS)]


def run(line, tmp_path, expected=0, *, cache=None, **env):
    """Runs a documented line with the outputs of a test, and its cache or another; what it
    prints."""
    cache = str(cache or tmp_path / "cache")
    line = line.replace("~/.cache/promptlab", cache)
    line = line.replace("output/", f"{tmp_path}/output/").replace("~/data", str(tmp_path / "data"))
    line = line.replace("~/weights", str(tmp_path / "weights"))
    line = line.replace("~/Downloads", str(tmp_path / "downloads"))
    words = shlex.split(line)
    while "=" in words[0]:
        key, _, value = words.pop(0).partition("=")
        env[key] = value
    env["PROMPTLAB_CACHE"] = cache
    done = command.run(words, timeout=400, **env)
    assert done.returncode == expected, f"{line}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def shortened(line):
    """A training of one epoch on two images a class; any other line as it is."""
    if "train.py" in line:
        line = re.sub(r"NUM_SHOTS \d+", "NUM_SHOTS 2", line) + " OPTIM.MAX_EPOCH 1"
    return line


def all_commands(start):
    return [line for page in PAGES for line in commands(page) if start in line]


def test_there_are_commands_on_every_page_that_promises_some():
    for page in ("../README", "install", "train", "add_a_method", "own_data"):
        assert commands(DOCS / f"{page}.md"), page
    assert len(commands(command.PROJECT / "docs" / "checkpoints.md")) > 15


@pytest.mark.parametrize("line", sorted({*all_commands("make "), *commands(CONTRIBUTING)}))
def test_make_targets_exist(line, tmp_path):
    run(line.replace("make ", "make -n "), tmp_path)


def on_datasets(verb):
    """The lines with a command of `python -m datasets`, fit to run without data or network."""
    return sorted({*all_commands(f"python -m datasets {verb}")})


def test_the_datasets_are_listed(tmp_path):
    assert "oxford_pets" in run(on_datasets("list")[0], tmp_path)


@pytest.mark.parametrize("line", on_datasets("check"))
def test_check_commands_say_what_is_missing(line, tmp_path):
    (tmp_path / "data").mkdir()
    assert f"no folder {tmp_path}/data/" in run(line, tmp_path, expected=2)


@pytest.mark.parametrize("line", on_datasets("prepare"))
def test_prepare_commands_run(line, tmp_path):
    """Dry, and on class folders where the page asks for a split."""
    (tmp_path / "downloads").mkdir()
    for number in range(4):
        folder = tmp_path / "data/PlantVillage/Plant_leave_diseases_dataset_without_augmentation"
        (folder / "apple").mkdir(parents=True, exist_ok=True)
        (folder / f"apple/{number}.jpg").touch()
    fetched_by_hand = " imagenet " in line
    printed = run(line, tmp_path, expected=2 if fetched_by_hand else 0)
    assert "would do" in printed or "split_dk_PlantVillage.json" in printed


@pytest.mark.parametrize("line", all_commands("pip "))
def test_installed_files_exist(line):
    assert (command.PROJECT / shlex.split(line)[-1]).is_file()


@pytest.mark.parametrize(
    "line", [line for line in all_commands("parallel_runner.py") if "anchored" not in line]
)
def test_runner_commands_plan_what_they_say(line, tmp_path):
    (tmp_path / "data").mkdir()
    for archive in re.findall(r"~/weights/(\w+)", line):
        for seed in ("dtd/base/seed1", "imagenet/seed1", "dtd/4shot/seed1"):
            model = tmp_path / "weights" / archive / seed / "VLPromptLearner/model.pth.tar-20"
            model.parent.mkdir(parents=True)
            model.touch()
    shown = "--list" in line or "--dry-run" in line
    planned = line.replace("parallel_runner.py", "parallel_runner.py --dry-run", 1)
    printed = run(line if shown else planned, tmp_path)
    assert ("maple_dept" if "--list" in line else "train.py") in printed


def test_train_commands_run_one_after_the_other(tmp_path):
    for line in all_commands("train.py "):
        if "parallel_runner" not in line and "~/weights" not in line:
            run(shortened(line), tmp_path, cache=os.environ["PROMPTLAB_CACHE"])
    results = {path.parent.name for path in (tmp_path / "output").rglob("result.json")}
    assert results == {"digits", "digits_new", "digits_zs", "digits_kept", "textures_tuned"}


@pytest.mark.parametrize(
    "line", [line for line in all_commands("python train.py ") if "~/weights" in line]
)
def test_commands_on_published_weights_reach_the_data(line, tmp_path):
    """Their data are not here, and their weights a folder: all that is wrong before is right."""
    model = re.search(r"--model-dir ~/(\S+)", line)
    (tmp_path / model[1]).mkdir(parents=True)
    with pytest.raises(AssertionError, match=f"no folder {tmp_path}/data/"):
        run(line, tmp_path)


@pytest.mark.parametrize("line", all_commands("python -m runner report "))
def test_report_commands_write_their_files(line, tmp_path):
    """In a folder with a few results of the experiments that the page names."""
    for name in ("coop", "coop_dept", "demo/coop"):
        base_to_new(tmp_path / "outputs" / name, datasets=("dtd",), seeds=(1,))
    words = shlex.split(line)[1:]
    done = command.python(*words, cwd=tmp_path, PYTHONPATH=str(command.PROJECT))
    assert done.returncode == 0, done.stderr
    written = re.findall(r"results/\S+\.\w+", line) or ["results/report.html"]
    assert all((tmp_path / name).is_file() for name in written)


def test_script_and_parser_commands_run(tmp_path):
    """In a copy of the scripts, with a stand-in for train.py that leaves the log a run leaves."""
    copy = tmp_path / "copy"
    for name in ("scripts", "configs", "runner"):
        shutil.copytree(command.PROJECT / name, copy / name)
    shutil.copy(command.PROJECT / "parse_test_res.py", copy)
    stand_in = tmp_path / "python"
    stand_in.write_text(
        "#!/bin/sh\n"
        'while [ "$1" != --output-dir ]; do shift; done\n'
        'mkdir -p "$2"\n'
        'printf "Finish training\\n=> result\\n* accuracy: 81.5%%\\n" > "$2/log.txt"\n'
    )
    stand_in.chmod(0o755)
    (tmp_path / "data").mkdir()
    lines = [*all_commands("bash scripts/"), *all_commands("python parse_test_res.py")]
    assert len(lines) >= 5
    for line in lines:
        line = line.replace("~/data", str(tmp_path / "data"))
        line = re.sub(r"^python ", f"{sys.executable} ", line)
        env = command.environment(PYTHON=str(stand_in))
        done = subprocess.run(line, shell=True, cwd=copy, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert "* accuracy: 81.50% +- 0.00%" in done.stdout


def test_tally_commands_write_tables(tmp_path):
    """On folders with a run of each layout where the lines look for them."""
    for name, below in (
        ("outputs/maple_dept", "train_base/MaPLeDePT/dtd/shots16/demo/seed1"),
        ("output", "base2new/train_base/dtd/shots_16/MaPLe/demo/seed1"),
    ):
        folder = tmp_path / name / below
        folder.mkdir(parents=True)
        (folder / "log.txt").write_text("Finish training\n=> result\n* accuracy: 81.5%\n")
    lines = all_commands("-m runner tally")
    assert len(lines) >= 3
    for line in lines:
        done = command.run(shlex.split(line), cwd=tmp_path, PYTHONPATH=str(command.PROJECT))
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert (tmp_path / "results/b2n.csv").read_text().startswith("dataset,base_acc_seed1")
    assert (tmp_path / "tables/runs.csv").is_file()


@pytest.mark.parametrize("line", all_commands("-m runner status"))
def test_status_commands_say_how_far_the_runs_are(line, tmp_path):
    folder = tmp_path / "outputs/coop/train_base/CoOp/dtd/shots16/demo/seed1"
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("Finish training\n=> result\n* accuracy: 81.5%\n")
    done = command.run(shlex.split(line), cwd=tmp_path, PYTHONPATH=str(command.PROJECT))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("coop: 1 done, of 1")


@pytest.mark.parametrize("line", all_commands("-m runner cache"))
def test_cache_commands_say_what_is_kept(line, tmp_path):
    (tmp_path / "cache").mkdir()
    assert f"{tmp_path}/cache/store: 0 entries, 0 bytes" in run(line, tmp_path)


def test_the_documented_method_works_in_a_copy_of_the_project(tmp_path):
    """docs/add_a_method.md by the letter: the files, the entry, then the runner runs the first and
    the tests that every method gets both."""
    page = (command.PROJECT / "docs" / "add_a_method.md").read_text(encoding="utf-8")
    method, second, entry = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    (target,) = re.findall(r"The file: `(.*?)`", page)
    copy = command.copy_project(tmp_path / "copy")
    (copy / target).write_text(method)
    (copy / "trainers/scaled.py").write_text(second)
    entry += entry.replace("anchored", "scaled").replace("Anchored", "Scaled")
    configs = (copy / "configs.py").read_text(encoding="utf-8")
    extended = configs.replace("\n\ndef experiments", f"{entry}\n\ndef experiments")
    (copy / "configs.py").write_text(extended)
    (line,) = [c for c in commands(command.PROJECT / "docs" / "add_a_method.md") if "anchored" in c]
    few = ("--datasets", "demo_digits", "--seeds", "1", "OPTIM.MAX_EPOCH", "1")
    done = command.run([*shlex.split(line), *few], cwd=copy, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (copy / "results/demo/anchored_dept").is_dir()
    shutil.copytree(command.PROJECT / "tests", copy / "tests")
    shutil.copy(command.PROJECT / "pyproject.toml", copy)
    (line,) = [c for c in commands(command.PROJECT / "docs" / "add_a_method.md") if "pytest" in c]
    words = [*shlex.split(line), "--method", "Scaled", "-p", "no:cacheprovider"]
    done = command.run(words, cwd=copy)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_on_own_pictures_works_by_the_letter(tmp_path):
    """docs/own_data.md in a copy of the project: its files are written, its commands run."""
    page = OWN_DATA.read_text(encoding="utf-8")
    copy = command.copy_project(tmp_path / "copy")
    named = re.findall(r"`((?:datasets/|configs/datasets/)?\w+\.(?:py|yaml))`", page)
    blocks = re.findall(r"```(?:python|yaml)\n(.*?)```", page, flags=re.DOTALL)
    for name, content in zip(named, blocks, strict=True):
        (copy / name).write_text(content, encoding="utf-8")
    lines = commands(OWN_DATA)
    for line in lines:
        words = [*shlex.split(line), *(["OPTIM.MAX_EPOCH", "1"] if "train.py" in line else [])]
        done = command.run(words, cwd=copy, timeout=400, PYTHONPATH="")
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    trained = {path.parent.name for path in (copy / "output").glob("my_*/result.json")}
    assert trained == {f"my_{run}" for run in ("zs", "all", "base", "new", "csv", "bright")}
    assert (copy / "output/my_shapes/split.json").is_file()
