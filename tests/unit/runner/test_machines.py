"""GPUs, CPU workers and the one queue that feeds them."""

import pytest

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
    lab.rules = [{"match": "seed", "seconds": 0.8}]
    done = lab.run(*SIX, "--jobs-per-gpu", "2")
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
    monkeypatch.setattr(gpus, "count_cores", lambda: cores)
    monkeypatch.setattr(gpus, "free_gigabytes", lambda: gigabytes)
    slots = gpus.make_slots(gpus.Machine((), {}), (), jobs_per_gpu=None, num_jobs=jobs)
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
    said = "no GPU here (nvidia-smi gave no answer in 0 s; CUDA_VISIBLE_DEVICES=0 names a GPU"
    assert done.returncode == 2 and lab.events("start") == []
    assert done.stderr.startswith(f"error: --gpus: {said}") and done.stderr.count("\n") == 1
    done = lab.run("--cfg", "coop", "--datasets", "dtd", "--seeds", "1")
    assert "(no GPU: nvidia-smi gave no answer in" in done.stdout


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


MEMORY = """case "$1" in
--query-gpu=index) printf "0\\n1\\n" ;;
*) printf "0, GPU-a, A100, {}\\n1, GPU-b, A100, {}\\n" ;;
esac"""


def with_records(lab, peak=1000):
    """Let one run of each kind be known, and forget that it was."""
    record = {"peak_memory_mb": peak, "device": "A100", "seconds": {"train": 9}}
    lab.rules = [{"match": "eurosat", "record": record}]
    assert lab.run("--cfg", "coop", "--datasets", "eurosat", "--seeds", "1").returncode == 0
    lab.forget()
    lab.rules = []


def most_at_once(lab):
    """The most runs at work at the same moment, by GPU."""
    events = [(line["time"], 1, line["CUDA_VISIBLE_DEVICES"]) for line in lab.events("start")]
    events += [(line["time"], -1, line["CUDA_VISIBLE_DEVICES"]) for line in lab.events("end")]
    now, most = {}, {}
    for _, change, gpu in sorted(events):
        now[gpu] = now.get(gpu, 0) + change
        most[gpu] = max(most.get(gpu, 0), now[gpu])
    return most


def test_auto_puts_as_many_on_a_gpu_as_fit_by_what_runs_have_needed(lab, monkeypatch):
    monkeypatch.setattr(gpus, "count_cores", lambda: 8)
    lab.fake_nvidia_smi(MEMORY.format(5800, 2000))  # a run is counted with 1900 MiB
    with_records(lab)
    lab.rules = [{"match": "train_base", "seconds": 1.0}]
    seeds = ("--seeds", "1,2,3,4")
    done = lab.run("--cfg", "coop", "--datasets", "dtd", *seeds, "--jobs-per-gpu", "auto")
    assert done.returncode == 0
    assert "on 2 GPUs (0, 1), as many at a time as fit, at most 4 on each" in done.stdout
    assert most_at_once(lab) == {"0": 3, "1": 1}


def test_auto_without_a_record_runs_one_on_each_gpu_until_the_first_has_ended(lab, monkeypatch):
    monkeypatch.setattr(gpus, "count_cores", lambda: 8)
    lab.fake_nvidia_smi(MEMORY.format(9000, 9000))
    record = {"peak_memory_mb": 500, "device": "A100"}
    first = {"match": "train_base/CoOp/dtd/shots16/vit_b16_ep10_bs4_lr35/seed1"}
    lab.rules = [{**first, "seconds": 0.5, "record": record}, {"match": "seed", "seconds": 1.5}]
    words = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1,2,3,4", "--jobs-per-gpu", "auto")
    assert lab.run(*words).returncode == 0
    ended = lab.events("end")[0]["time"]
    assert len([line for line in lab.events("start") if line["time"] < ended]) == 2
    assert max(most_at_once(lab).values()) > 1


def test_a_gpu_that_others_fill_is_left_out_by_name(lab):
    lab.fake_nvidia_smi(MEMORY.format(900, 40000))
    with_records(lab)
    done = lab.run(*SIX)
    assert "GPU 0: 900 MiB free, a run has needed about 1900; left out\n" in done.stdout
    assert devices(lab) == {"1"}


def test_without_any_gpu_that_has_room_nothing_runs(lab):
    lab.fake_nvidia_smi(MEMORY.format(40000, 40000))
    with_records(lab)
    lab.fake_nvidia_smi(MEMORY.format(900, 650))
    done = lab.run(*SIX)
    assert done.returncode == 2 and lab.events("start") == []
    assert done.stderr == (
        "error: GPU 0: 900 MiB free, a run has needed about 1900; "
        "wait, or name another one with --gpus\n"
        "error: GPU 1: 650 MiB free, a run has needed about 1900; "
        "wait, or name another one with --gpus\n"
    )


def test_without_a_record_a_gpu_needs_room_for_cuda_itself_alone(lab):
    lab.fake_nvidia_smi(MEMORY.format(300, 900))
    assert "GPU 0: 300 MiB free, CUDA takes about 700; left out" in lab.run(*SIX).stdout
    assert devices(lab) == {"1"}


@pytest.mark.parametrize(
    "visible, rows, free",
    [
        (("0", "2"), "0, GPU-a, A, 5\n1, GPU-b, A, 6\n2, GPU-c, A, 7\n", {"0": 5, "2": 7}),
        (("GPU-b",), "0, GPU-abc, A, 5\n1, GPU-bcd, A, 6\n", {"GPU-b": 6}),
        (("0",), "0, GPU-a, A, 5\n1, GPU-b, B, 6\n", {}),  # CUDA may number them otherwise
        (("MIG-1",), "0, GPU-a, A, 5\n", {}),
        (("0",), "0, GPU-a, A, [N/A]\nfailed\n", {}),
    ],
)
def test_free_memory_by_the_names_that_cuda_knows(lab, monkeypatch, visible, rows, free):
    lab.fake_nvidia_smi(f'printf "{rows}"')
    monkeypatch.setenv("PATH", str(lab.path / "empty_bin"))
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    assert gpus.free_memory(gpus.Machine(visible, {}), visible) == free


def test_out_of_memory_beside_others_is_tried_again_with_fewer_on_that_gpu(lab):
    lab.fake_nvidia_smi(MEMORY.format(40000, 40000))
    lab.rules = [{"match": "seed", "seconds": 0.3, "alone": True}]
    words = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1,2,3", "--gpus", "0")
    done = lab.run(*words, "--jobs-per-gpu", "3")
    assert done.returncode == 0, done.stdout
    assert "out of memory beside others: GPU 0 takes 2 at a time from now on, trying" in done.stdout
    assert "GPU 0 takes 1 at a time from now on, trying again" in done.stdout
