"""Runs as forks of one warm process are those of processes of their own, bit for bit."""

import json

import torch

# one worker, so that it has all cores: forks must bear several threads
WORDS = ["--jobs-per-gpu", "1", "--cfg", "maple_dept", "--datasets", "demo_digits", "--seeds", "2"]
CHANGING = {"seconds", "peak_memory_mb"}


def sweep(demo, folder, *flags):
    """Results and trained tensors by place in the output folder."""
    folder.mkdir()
    demo(folder, *flags, *WORDS, warm=False)
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


def test_warm_and_isolated_runs_are_the_same_to_the_last_bit(demo, tmp_path):
    warm, warm_tensors = sweep(demo, tmp_path / "warm")
    own, own_tensors = sweep(demo, tmp_path / "own", "--isolated")
    assert len(own) == 2
    for place, result in own.items():
        same = {key: value for key, value in result.items() if key not in CHANGING}
        assert same.items() <= warm[place].items()
    assert own_tensors.keys() == warm_tensors.keys()
    assert len(own_tensors) > 3
    assert all(torch.equal(own_tensors[name], warm_tensors[name]) for name in own_tensors)
