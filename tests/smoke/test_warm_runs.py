"""Runs as forks of one warm process are those of processes of their own, bit for bit."""

import json
import sys

import torch

from tests.support import command

# one worker, so that it has all cores: forks must bear several threads
WORDS = ["--demo", "--jobs-per-gpu", "1", "--cfg", "maple_dept", "--datasets", "demo_digits"]
WORDS += ["--seeds", "2", "--shots", "1", "OPTIM.MAX_EPOCH", "1"]
RUNNER = str(command.PROJECT / "parallel_runner.py")
CALM = {"OMP_WAIT_POLICY": "passive"}  # idle threads burn no core that other tests need
CHANGING = {"seconds", "peak_memory_mb"}


# of the runner, whose jobs are then no forks of what loads libraries for tests
CODE = f"import runpy, sys; sys.executable, sys.argv[0] = {sys.executable!r}, {RUNNER!r}; "
CODE += f"sys.path.insert(0, {str(command.PROJECT)!r}); "
CODE += f"runpy.run_path({RUNNER!r}, run_name='__main__')"


def sweep(folder, *flags):
    """Results and trained tensors by place in the output folder."""
    folder.mkdir()
    done = command.python("-c", CODE, *flags, *WORDS, cwd=folder, warm=True, **CALM)
    assert done.returncode == 0, done.stdout + done.stderr
    outputs = folder / "outputs"
    results = {
        str(path.relative_to(outputs)): json.loads(path.read_text())
        for path in outputs.rglob("result.json")
    }
    tensors = {
        f"{path.relative_to(outputs)} {name}": tensor
        for path in outputs.rglob("model.pth.tar-*")
        for name, tensor in torch.load(path, weights_only=True)["state_dict"].items()
    }
    return results, tensors


def test_warm_and_isolated_runs_are_the_same_to_the_last_bit(tmp_path):
    warm, warm_tensors = sweep(tmp_path / "warm")
    own, own_tensors = sweep(tmp_path / "own", "--isolated")
    assert len(own) == 2
    for place, result in own.items():
        same = {key: value for key, value in result.items() if key not in CHANGING}
        assert same.items() <= warm[place].items()
    assert own_tensors.keys() == warm_tensors.keys()
    assert len(own_tensors) > 3
    assert all(torch.equal(own_tensors[name], warm_tensors[name]) for name in own_tensors)
