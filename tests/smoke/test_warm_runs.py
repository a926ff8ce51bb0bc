"""Runs as forks of one warm process are those of processes of their own, bit for bit."""

import json

import torch

from tests.support import command

# one worker, so that it has all cores: forks must bear several threads
WORDS = (
    "--demo --jobs-per-gpu 1 --cfg maple_dept --datasets demo_digits --seeds 2 OPTIM.MAX_EPOCH 1"
)
CHANGING = {"seconds", "peak_memory_mb"}


def sweep(folder, cache, *flags):
    """Results and trained tensors by place in the output folder."""
    folder.mkdir()
    script = command.PROJECT / "parallel_runner.py"
    done = command.python(script, *flags, *WORDS.split(), cwd=folder, PROMPTLAB_CACHE=str(cache))
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
    warm, warm_tensors = sweep(tmp_path / "warm", tmp_path / "cache")
    own, own_tensors = sweep(tmp_path / "own", tmp_path / "cache", "--isolated")
    assert len(own) == 2
    for place, result in own.items():
        same = {key: value for key, value in result.items() if key not in CHANGING}
        assert same.items() <= warm[place].items()
    assert own_tensors.keys() == warm_tensors.keys()
    assert len(own_tensors) > 3
    assert all(torch.equal(own_tensors[name], warm_tensors[name]) for name in own_tensors)
