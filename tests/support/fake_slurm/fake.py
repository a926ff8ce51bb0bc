"""sbatch, squeue, scancel and scontrol over a folder ($FAKE_SLURM), without SLURM.

An array is a process that starts its elements and sees to them. The folder:

    next_id              the next job id
    <id>.json            words of sbatch, environment, script, folder ...
    <id>_<k>.json        an element: state, reason, restart, pid
    <id>_<k>.<request>   cancel, requeue, usr1, lost (the node is; its processes go on)
    refuse, forget, down, max_array_size, stop   what the tests set
    calls                what has been asked
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

TICK = 0.04
REQUEUE_DELAY = 0.1  # 121 s on a real cluster
KILL_WAIT = 1.0
OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
NOT_KNOWN = "slurm_load_jobs error: Invalid job id specified"


def folder() -> Path:
    return Path(os.environ["FAKE_SLURM"])


def write(path: Path, content) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content))
    temporary.replace(path)


def read(path: Path):
    return json.loads(path.read_text())


def elements() -> dict[str, dict]:
    """All that are known, by id."""
    found = {path.stem: read(path) for path in folder().glob("*_*.json")}
    if (folder() / "forget").exists():
        found = {name: each for name, each in found.items() if each["state"] not in OVER}
    return dict(sorted(found.items()))


def fail(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


def sbatch(words: list[str]) -> int:
    script = words[-1]
    lines = re.findall(r"^#SBATCH (.*)$", Path(script).read_text(), flags=re.MULTILINE)
    given = [*lines, *words[:-1]]
    options = dict(re.fullmatch(r"--([\w-]+)=?(.*)", word).groups() for word in given)
    last, limit = re.fullmatch(r"0-(\d+)(?:%(\d+))?", options["array"]).groups()
    most = folder() / "max_array_size"
    if int(last) >= (int(most.read_text()) if most.exists() else 1001):
        return fail("sbatch: error: Batch job submission failed: Invalid job array specification")
    refuse = folder() / "refuse"
    if refuse.exists():
        return fail(f"sbatch: error: {refuse.read_text()}")
    counter = folder() / "next_id"
    number = int(counter.read_text()) if counter.exists() else 100
    counter.write_text(str(number + 1))
    job = {
        "words": words,
        "options": options,
        "script": script,
        "chdir": options["chdir"],
        "output": options["output"],
        "count": int(last) + 1,
        "limit": int(limit or 10**6),
    }
    for index in range(job["count"]):
        element = {"state": "PENDING", "reason": "Priority", "restart": 0, "pid": 0}
        write(folder() / f"{number}_{index}.json", element)
    write(folder() / f"{number}.json", job)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            null = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(null, stream)
            Array(number, job).run()
        os._exit(0)
    (folder() / "calls").open("a").write("sbatch\n")
    print(number)
    return 0


class Array:
    """The process behind an array."""

    def __init__(self, number: int, job: dict) -> None:
        self.number = number
        self.job = job
        self.processes: dict[int, subprocess.Popen] = {}
        self.begin: dict[int, float] = {}
        self.kill_at: dict[int, float] = {}

    def run(self) -> None:
        while True:
            states = [self.see(index) for index in range(self.job["count"])]
            if all(state in OVER for state in states) or not folder().exists():
                return
            if (folder() / "stop").exists():
                for process in self.processes.values():
                    self.signal(process, signal.SIGKILL)
                return
            time.sleep(TICK)

    def see(self, index: int) -> str:
        path = folder() / f"{self.number}_{index}.json"
        element = read(path)
        if element["state"] == "PENDING":
            if self.asked(index, "cancel"):
                self.tell(path, element, "CANCELLED")
            elif len(self.processes) < self.job["limit"] and self.may_start(index):
                self.start(index, path, element)
        elif element["state"] == "RUNNING":
            self.see_running(index, path, element)
        return element["state"]

    def may_start(self, index: int) -> bool:
        return time.time() >= self.begin.get(index, 0)

    def start(self, index: int, path: Path, element: dict) -> None:
        own = {
            "SLURM_JOB_ID": str(self.number + index),
            "SLURM_ARRAY_JOB_ID": str(self.number),
            "SLURM_ARRAY_TASK_ID": str(index),
            "SLURMD_NODENAME": f"n{1 + element['restart']}",
            "SLURM_CPUS_ON_NODE": "4",
            "CUDA_VISIBLE_DEVICES": f"{self.number}-{index}",
        }
        if element["restart"]:
            own["SLURM_RESTART_COUNT"] = str(element["restart"])
        output = self.job["output"].replace("%a", str(index)).replace("%%", "%")
        with open(output, "ab") as file:
            process = subprocess.Popen(
                [self.job["script"]],
                cwd=self.job["chdir"],
                env={**os.environ, **own},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.processes[index] = process
        self.tell(path, element | {"pid": process.pid}, "RUNNING")

    def see_running(self, index: int, path: Path, element: dict) -> None:
        process = self.processes[index]
        if self.asked(index, "usr1"):
            process.send_signal(signal.SIGUSR1)  # the batch shell alone
        if self.asked(index, "lost"):
            del self.processes[index]
            self.again(index, path, element)
            return
        for request in ("cancel", "requeue"):
            if self.asked(index, request):
                element["ending"] = request
                self.signal(process, signal.SIGTERM)
                self.kill_at[index] = time.time() + KILL_WAIT
                write(path, element)
        if time.time() > self.kill_at.get(index, 1e12):
            self.signal(process, signal.SIGKILL)
        if process.poll() is None:
            return
        del self.processes[index]
        self.kill_at.pop(index, None)
        ending = element.pop("ending", "")
        if ending == "requeue":
            self.again(index, path, element)
        elif ending == "cancel":
            self.tell(path, element, "CANCELLED")
        else:
            self.tell(path, element, "FAILED" if process.returncode else "COMPLETED")

    def again(self, index: int, path: Path, element: dict) -> None:
        self.begin[index] = time.time() + REQUEUE_DELAY
        element["restart"] += 1
        self.tell(path, element, "PENDING")

    def tell(self, path: Path, element: dict, state: str) -> None:
        element["state"] = state
        element["reason"] = {"PENDING": "BeginTime", "RUNNING": "None"}.get(state, "None")
        write(path, element)

    def asked(self, index: int, request: str) -> bool:
        path = folder() / f"{self.number}_{index}.{request}"
        if not path.exists():
            return False
        path.unlink()
        return True

    def signal(self, process: subprocess.Popen, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def squeue(words: list[str]) -> int:
    (folder() / "calls").open("a").write("squeue\n")
    if (folder() / "down").exists():
        return fail("slurm_load_jobs error: Unable to contact slurm controller")
    shown = elements()
    form = words[words.index("-o") + 1]
    if "-j" in words:
        jobs = words[words.index("-j") + 1].split(",")
        shown = {name: each for name, each in shown.items() if name.split("_")[0] in jobs}
        if not shown and len(jobs) == 1:
            return fail(NOT_KNOWN)
    for name, each in shown.items():
        job = name.split("_")[0]
        values = {"%i": name, "%T": each["state"], "%r": each["reason"], "%F": job, "%A": job}
        values["%o"] = read(folder() / f"{job}.json")["script"]
        print(re.sub(r"%\w", lambda found, values=values: values[found.group()], form))
    return 0


def scancel(words: list[str]) -> int:
    states = ["PENDING"] if "--state=PENDING" in words else ["PENDING", "RUNNING"]
    for name, each in elements().items():
        if each["state"] in states and {name, name.split("_")[0]} & set(words):
            (folder() / f"{name}.cancel").touch()
    return 0


def scontrol(words: list[str]) -> int:
    if words == ["show", "config"]:
        most = folder() / "max_array_size"
        print(f"MaxArraySize            = {most.read_text() if most.exists() else 1001}")
        return 0
    assert words[0] == "requeue"
    (folder() / f"{words[1]}.requeue").touch()
    return 0


def main(command: str, words: list[str]) -> int:
    return globals()[command](words)
