"""A small copy of the repository's layout, and the runner over stub jobs in it."""

import contextlib
import copy
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from unittest import mock

import configs
from runner import cli
from runner.plan import demo
from tests.support import command

REPO = Path(__file__).resolve().parents[3]
STUB = Path(__file__).with_name("stub_train.py")
DRIVER = f"""
import sys
from pathlib import Path
sys.executable = {sys.executable!r}  # the jobs are processes of their own
sys.path.insert(0, {str(REPO)!r})
import configs
from parallel_runner import main
from runner.show import picture
picture.write_picture = lambda path, *rest: path.touch()
sys.exit(main(sys.argv[1:], repo=Path.cwd(), train_command=[sys.executable, {str(STUB)!r}]))
"""
YAMLS = {
    "CoOp/vit_b16_ep10_bs4_lr35": "ViT-B/16",
    "CoOp/vit_b16": "ViT-B/16",
    "CoOp/vit_b16_ep50": "ViT-B/16",
    "CoOp/vit_b16_ep100": "ViT-B/16",
    "CoOp/vit_b16_ep50_ctxv1": "ViT-B/16",
    "CoOp/demo": "weights.pt",
    "MaPLe/vit_b16_c2_ep10_batch4_2ctx": "ViT-B/16",
    "MaPLe/vit_b16_c2_ep5_batch4_2ctx_cross_datasets": "ViT-B/16",
    "MaPLe/demo": "weights.pt",
    "Joint/joint": "RN50",
    "Joint/demo": "weights.pt",
}
LISTS = [value for value in configs.base["data"].values() if isinstance(value, list)]
DATASETS = (
    *(name for names in LISTS for name in names),
    *demo.DATASETS,
    *demo.VARIANTS,
    demo.JOINT,
)
# Entries that the tests have beside those of configs.py: of a method for several tasks, and of a
# head that knows the classes it was trained on alone.
ENTRIES: dict[str, dict] = {
    "joint": {
        "mode": "mt",
        "train": {
            **{"trainer": "Joint", "cfg": "joint", "multi_task": True},
            **{"opts": ["A.B", 16], "demo_opts": ["A.B", 4]},
        },
        "data": {"datasets_base_to_new": ["general10"]},
    },
    "probe": {
        "train": {
            "trainer": "Probe",
            "cfg": "vit_b16",
            "cfg_trainer": "CoOp",
            "base_only": True,
        },
    },
}


def get_config(name: str) -> dict:
    """An entry of configs.py or one of ENTRIES."""
    if name not in ENTRIES:
        return configs.get_config(name)
    merged = copy.deepcopy(configs.base)
    for section, values in ENTRIES[name].items():
        merged[section] = {**merged.get(section, {}), **values} if section != "mode" else values
    return merged


@dataclass
class Lab:
    """A working directory; `rules` are those of stub_train.py."""

    path: Path
    rules: list[dict] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        self.path.mkdir(exist_ok=True)
        for name, backbone in YAMLS.items():
            file = self.path / f"configs/trainers/{name}.yaml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"MODEL:\n  BACKBONE:\n    NAME: {backbone}\n")
        for name in DATASETS:
            file = self.path / f"configs/datasets/{name}.yaml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"DATASET:\n  NAME: {name}\n")
        (self.path / "data").mkdir()
        (self.path / "empty_bin").mkdir()

    def provide_yamls(self) -> None:
        """Give every entry of configs.py the YAML files that it names."""
        for name in configs.experiments():
            train = configs.get_config(name)["train"]
            for cfg in (train["cfg"], *(case.get("cfg") for case in train.get("cases", ()))):
                folder = train.get("cfg_trainer", train["trainer"])
                for file in (cfg, "demo") if cfg else ():
                    path = self.path / f"configs/trainers/{folder}/{file}.yaml"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text("MODEL:\n  BACKBONE:\n    NAME: ViT-B/16\n")

    def environment(self, words: tuple[str, ...], data: bool) -> dict[str, str]:
        """Return the environment of the runner: no GPU, no DATA but the lab's own."""
        env = {key: value for key, value in os.environ.items() if not key.startswith("CUDA_")}
        env |= {
            "PATH": str(self.path / "empty_bin"),
            "STUB_LOG": str(self.path / "stub.log"),
            "STUB_RULES": json.dumps(self.rules),
            "MPLCONFIGDIR": str(self.path / "mpl"),
        }
        env.pop("DATA", None)
        if data and "--demo" not in words:
            env["DATA"] = str(self.path / "data")
        return {**env, **self.env}

    def start(
        self, *words: str, data: bool = True, stdout: int | IO[str] = subprocess.PIPE
    ) -> command.Forked:
        """Start the runner on the command line `words`."""
        return command.Forked(
            ["-c", DRIVER, *words],
            cwd=self.path,
            env=self.environment(words, data),
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, data: bool = True) -> subprocess.CompletedProcess:
        """Run the runner to its end, in this process (the imports are paid once)."""
        out, err = io.StringIO(), io.StringIO()
        before = dict(os.environ)
        try:
            os.environ.clear()
            os.environ.update(self.environment(words, data))
            with (
                contextlib.chdir(self.path),
                # Drawing takes most of a run of stub jobs; test_picture.py draws.
                mock.patch("runner.show.picture.write_picture", lambda path, *rest: path.touch()),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
            ):
                code = cli.main(
                    words,
                    repo=Path.cwd(),
                    names=lambda: [*configs.experiments(), *ENTRIES],
                    get_config=get_config,
                    train_command=[sys.executable, str(STUB)],
                )
        finally:
            os.environ.clear()
            os.environ.update(before)
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())

    def interrupt_after(self, count: int, *words: str, number: int = signal.SIGINT):
        """Start the runner, signal it once `count` runs have started, and return how it ended."""
        process = self.start(*words)
        self.wait_for_start(process, count)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def wait_for_start(self, process: subprocess.Popen, count: int = 1) -> None:
        """Wait until `count` runs have started, of a runner that is still at work."""
        wait_until(lambda: len(self.events("start")) >= count or process.poll() is not None)
        assert process.poll() is None

    def events(self, event: str) -> list[dict]:
        """Return what stub jobs noted, in order."""
        log = self.path / "stub.log"
        if not log.exists():
            return []
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        return [line for line in lines if line["event"] == event]

    def forget(self) -> None:
        """Empty the notes of the stub jobs."""
        (self.path / "stub.log").unlink(missing_ok=True)

    def fake_nvidia_smi(self, script: str) -> None:
        """Put an nvidia-smi on PATH: a shell script."""
        file = self.path / "empty_bin/nvidia-smi"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for something that is sure to come, `seconds` at most."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
