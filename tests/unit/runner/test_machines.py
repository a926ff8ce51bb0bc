"""GPUs, CPU workers and the one queue that feeds them."""

import joblib
import pytest

import machine
from runner.launch import gpus
from tests.unit.runner.lab import Lab

SIX = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1", "2", "3")


def overlaps(events_start, events_end, key):
    """Return the pairs of runs that were at work at the same time under one value of `key`."""
    ends = {(line["out"], line["pid"]): line["time"] for line in events_end}
    spans = [(e[key], e["time"], ends[e["out"], e["pid"]]) for e in events_start]
    return [
        (one, two)
        for i, one in enumerate(spans)
        for two in spans[i + 1 :]
        if one[0] == two[0] and one[1] < two[2] and two[1] < one[2]
    ]


def devices(lab: Lab) -> set[str]:
    return {line["CUDA_VISIBLE_DEVICES"] for line in lab.events("start")}


def test_every_gpu_of_nvidia_smi_works_and_none_on_two_jobs(lab):
    lab.fake_nvidia_smi('[ "$1" = --query-gpu=index ] && printf "0\\n1\\n2\\n"')
    lab.rules = [{"match": "seed", "seconds": 0.3}]
    done = lab.run(*SIX)
    assert "on 3 GPUs (0, 1, 2)" in done.stdout
    assert devices(lab) == {"0", "1", "2"}
    assert {line["CUDA_DEVICE_ORDER"] for line in lab.events("start")} == {"PCI_BUS_ID"}
    starts, ends = lab.events("start"), lab.events("end")
    assert overlaps(starts, ends, "CUDA_VISIBLE_DEVICES") == []


def test_gpus_are_indices_inside_cuda_visible_devices(lab):
    lab.fake_nvidia_smi('printf "0\\n1\\n2\\n3\\n"')
    lab.env["CUDA_VISIBLE_DEVICES"] = "3,GPU-abc,1"
    lab.run(*SIX, "--gpus", "0,1")
    assert devices(lab) == {"3", "GPU-abc"}


def test_jobs_per_gpu_share_a_gpu(lab):
    lab.fake_nvidia_smi('printf "0\\n"')
    lab.rules = [{"match": "train_base", "seconds": 0.8}]
    done = lab.run(*SIX[:-1], "--jobs-per-gpu", "2")
    assert "on 1 GPU (0), 2 at a time on each" in done.stdout
    starts, ends = lab.events("start"), lab.events("end")
    assert len(overlaps(starts, ends, "CUDA_VISIBLE_DEVICES")) >= 1


def test_a_long_job_does_not_hold_the_others(lab):
    lab.fake_nvidia_smi('printf "0\\n1\\n"')
    lab.rules = [{"match": "train_base/CoOp/dtd/shots16/vit_b16_ep10_bs4_lr35/seed1", "ends": 4}]
    lab.run(*SIX)
    slow = next(line for line in lab.events("end") if "seed1" in line["out"])
    before = [line for line in lab.events("end") if line["time"] < slow["time"]]
    assert len(before) == 4  # both jobs of seeds 2 and 3, tests included


def test_a_test_waits_for_its_own_training_alone(lab):
    lab.rules = [{"match": "train_base", "seconds": 0.2}]
    lab.run(*SIX, "--jobs-per-gpu", "3")
    ended = {line["out"]: line["time"] for line in lab.events("end")}
    for line in lab.events("start"):
        if "test_new" in line["out"]:
            assert ended[line["out"].replace("test_new", "train_base")] <= line["time"]


@pytest.mark.parametrize(
    "cores, gigabytes, jobs, workers, threads",
    [(8, 64, 66, 8, 1), (8, 64, 2, 2, 4), (8, 3, 66, 3, 2), (1, 0, 66, 1, 1)],
)
def test_cpu_workers_by_cores_jobs_and_memory(
    monkeypatch, cores, gigabytes, jobs, workers, threads
):
    monkeypatch.setattr(joblib, "cpu_count", lambda: cores)
    monkeypatch.setattr(machine, "free_memory", lambda: gigabytes * 2**30)
    slots = gpus.cpu_workers(None, jobs)
    assert len(slots) == workers
    assert {slot.environment["OMP_NUM_THREADS"] for slot in slots} == {str(threads)}


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_hidden_gpus_mean_cpu_workers_that_share_the_cores(lab, hidden):
    lab.fake_nvidia_smi('printf "0\\n"')
    lab.env["CUDA_VISIBLE_DEVICES"] = hidden
    done = lab.run(*SIX, "--jobs-per-gpu", "2")
    assert "on 2 CPU workers (no GPU: CUDA_VISIBLE_DEVICES is" in done.stdout
    assert devices(lab) == {""}
    assert all(int(line["OMP_NUM_THREADS"]) >= 1 for line in lab.events("start"))


def test_a_broken_nvidia_smi_is_said(lab):
    lab.fake_nvidia_smi("echo 'driver mismatch' >&2; exit 9")
    assert "(no GPU: nvidia-smi: driver mismatch)" in lab.run(*SIX).stdout


def test_an_nvidia_smi_that_hangs_is_said_and_never_means_cpu_where_gpus_were_named(
    lab, monkeypatch
):
    monkeypatch.setattr(gpus, "_PATIENCE", 0.2)
    lab.fake_nvidia_smi("/bin/sleep 60")
    done = lab.run(*SIX, "--gpus", "0")
    assert done.returncode == 2 and lab.events("start") == []
    assert done.stderr.startswith("error: --gpus: no GPU here (") and done.stderr.count("\n") == 1
    assert "timed out after 0.2 seconds; CUDA_VISIBLE_DEVICES=0 names a GPU" in done.stderr
    done = lab.run("--cfg", "coop", "--datasets", "dtd", "--seeds", "1")
    assert "timed out" in done.stdout.split("(no GPU: ")[1]


@pytest.mark.parametrize(
    "words, line",
    [
        (["--gpus", "2"], "error: --gpus 2: no such GPU; there are 2, counted from 0"),
        (["--gpus", "0,0"], "error: --gpus names a GPU twice; --jobs-per-gpu puts several jobs on"),
    ],
)
def test_wrong_gpus_are_refused_before_anything_runs(lab, words, line):
    lab.fake_nvidia_smi('printf "0\\n1\\n"')
    done = lab.run(*SIX, *words)
    assert done.returncode == 2
    assert done.stderr.startswith(line)
    assert lab.events("start") == []
