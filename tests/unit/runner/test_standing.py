"""What lies in the folders of earlier runs: done, to be run, or of other settings."""

import pytest

from runner.files.records import read_result

ONE = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1")


def test_results_of_other_options_are_not_mixed_in(lab):
    lab.run(*ONE)
    other = lab.run(*ONE, "OPTIM.LR", "0.1")
    folder = "outputs/coop/{}/CoOp/dtd/shots16/vit_b16_ep10_bs4_lr35/seed1"
    assert other.returncode == 2
    assert other.stderr == (
        "error: coop: 2 of 2 runs were made with other options, YAML or weights, or not by this "
        "runner: "
        f"{folder.format('train_base')}, {folder.format('test_new')}; "
        "move or delete them, or --fresh to delete all planned runs; "
        "--grid KEY=VALUE gives other options folders of their own\n"
    )
    lab.forget()
    assert lab.run(*ONE, "--fresh", "OPTIM.LR", "0.1").returncode == 0
    assert len(lab.events("start")) == 2


def test_only_the_folders_of_other_settings_have_to_go(lab):
    words = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1", "2", "3")
    lab.run(*words)
    runs = sorted(lab.path.glob("outputs/coop/*/CoOp/dtd/**/seed*"))
    for run, count in zip(runs, range(1, 6), strict=False):
        text = (run / "result.json").read_text()
        (run / "result.json").write_text(text.replace('"job_key": "', '"job_key": "0'))
        error = lab.run(*words).stderr
        assert f"{count} of 6 runs were made with other options" in error
        assert error.count("/seed") == min(count, 3) and ("..." in error) == (count > 3)
        assert f"; move or delete {'it' if count == 1 else 'them'}, or" in error
    for run in runs[:5]:
        run.rename(run.with_name(f"{run.name}-before"))
    lab.forget()
    assert lab.run(*words).returncode == 0
    assert len(lab.events("start")) == 5


def test_fresh_deletes_only_the_planned_runs(lab):
    lab.run("--cfg", "coop", "--datasets", "dtd,eurosat", "--seeds", "1")
    kept = next(lab.path.glob("outputs/coop/train_base/CoOp/eurosat/**/result.json"))
    before = kept.stat().st_mtime_ns
    lab.forget()
    lab.run(*ONE, "--fresh")
    assert len(lab.events("start")) == 2
    assert kept.stat().st_mtime_ns == before


def test_a_test_is_run_again_with_its_training(lab):
    lab.run(*ONE)
    next(lab.path.glob("outputs/coop/train_base/**/result.json")).unlink()
    lab.rules = [{"match": "train_base", "seconds": 20}]
    lab.forget()
    lab.interrupt_after(1, *ONE)
    test = next(lab.path.glob("outputs/coop/test_new/**/seed1"))
    assert not (test / "result.json").exists()  # also for a later start
    assert len(list(test.glob("old-result.json-*"))) == 1
    lab.rules = []
    lab.forget()
    assert lab.run(*ONE).returncode == 0
    assert len(lab.events("start")) == 2


def test_old_runs_count_by_their_log(lab):
    for step, end in (("train_base", "Finished training"), ("test_new", "=> result")):
        folder = f"outputs/coop/{step}/CoOp/dtd/shots16/vit_b16_ep10_bs4_lr35/seed1"
        log = lab.path / folder / "log.txt"
        log.parent.mkdir(parents=True)
        log.write_text(f"* accuracy: 11.1%\n{end}\n=> result\n* accuracy: 81.5%\n")
    done = lab.run(*ONE)
    assert "2 jobs, all done" in done.stdout
    assert ",81.5," in next((lab.path / "results/coop").glob("*.csv")).read_text()


def test_old_runs_over_several_tasks_count_by_their_log(lab):
    log = lab.path / "outputs/joint/train_all/Joint/plant6/shots16/joint/seed1/log.txt"
    log.parent.mkdir(parents=True)
    lines = ["* task: 0 (early)\ttotal: 9\tmetric: 1.00%", "Finished training", "=> result"]
    lines += ["* total: 200", "* overall_metric: 65.88%"]
    lines += ["* task: 0 (animals 7)\ttotal: 1,000\tmetric: 61.50%"]
    lines += ["* task: 1 (vehicles)\ttotal: 100\tmetric: 70.26%", "* average: 65.88%"]
    log.write_text("\n".join(lines))
    done = lab.run("--cfg", "joint", "--datasets", "plant6", "--seeds", "1")
    assert "1 job, all done" in done.stdout
    text = (lab.path / "results/joint/mt-Joint-joint.csv").read_text()
    assert text.splitlines()[1:] == [
        "plant6,animals 7,61.5,61.5",
        "plant6,vehicles,70.26,70.26",
        "plant6,average,65.88,65.88",
    ]


def test_a_log_that_cannot_be_read_is_no_result(lab):
    folder = lab.path / "outputs/coop/train_base/CoOp/dtd/shots16/vit_b16_ep10_bs4_lr35/seed1"
    (folder / "log.txt").mkdir(parents=True)
    (folder / "log.txt-1").symlink_to("nowhere")
    assert lab.run(*ONE).returncode == 0
    assert len(lab.events("start")) == 2


def test_a_log_of_a_stopped_training_does_not_count(lab):
    folder = "outputs/coop/train_base/CoOp/dtd/shots16/vit_b16_ep10_bs4_lr35/seed1"
    (lab.path / folder).mkdir(parents=True)
    (lab.path / folder / "log.txt").write_text("=> result\n* accuracy: 81.5%\nepoch [2/10]\n")
    lab.run(*ONE)
    assert len(lab.events("start")) == 2


@pytest.mark.parametrize(
    "content",
    [
        b'{"accuracy": 60.0, "job_k',
        b'{"accuracy": 60.0, "note": "\xff"}',
        b"",
        b"60.0",
        b'{"job_key": "x"}',
        b'{"accuracy": "60.0"}',
        b'{"accuracy": NaN}',
        b'{"accuracy": 600}',
        b'{"accuracy": -1}',
        b'{"accuracy": 1' + 400 * b"0" + b"}",
        b'{"accuracy": 1' + 9000 * b"0" + b"}",
        b'{"accuracy": ' + 100_000 * b"[",
        b'{"accuracy": 60.0, "tasks": {}}',
        b'{"accuracy": 60.0, "tasks": [{"name": "a"}]}',
    ],
    ids=lambda content: content[:24].decode(errors="replace"),
)
def test_a_result_that_is_not_whole_is_no_result(tmp_path, content):
    (tmp_path / "result.json").write_bytes(content)
    assert read_result(tmp_path) is None


def test_a_run_whose_result_is_cut_short_is_run_again(lab):
    lab.run(*ONE)
    path = next(lab.path.glob("outputs/coop/test_new/**/result.json"))
    path.write_text(path.read_text()[:-9])
    lab.forget()
    lab.run(*ONE)
    assert [line["out"].split("/")[2] for line in lab.events("start")] == ["test_new"]
