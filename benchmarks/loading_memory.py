"""Memory and seconds of loading a ViT-B/16, seen from outside the process that loads.

    python benchmarks/loading_memory.py
    python benchmarks/loading_memory.py --base ../other_checkout

Random weights lie in each format: OpenAI's TorchScript archive (half and float32 mixed), a state
dict of torch.save and one of safetensors (float32). A child process loads each by `clip.load` on
the CPU; its peak of resident memory, which its parent reads when it ends, less that of a child just
before it that only imports (torchvision too, which the image transform needs), is set against the
size of the model. Peaks count pages of mapped files, weights and libraries; of the libraries more
or fewer are resident from run to run, by up to 100 MiB, so that single figures say little.
Prints a table and, with `--json FILE`, writes it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MIB = 1 << 20
IMPORTS = "import clip, torch, torchvision.transforms; torch.set_num_threads(1)"
FILES = {
    "archive": "archive.pt",
    "state dict": "state_dict.pt",
    "safetensors": "weights.safetensors",
}
LOAD = "; import sys; model, _ = clip.load(sys.argv[1], device='cpu')"
LEAVE = "; import os; os._exit(0)"  # what Python loads while it shuts down is no part of it


def write_files(folder: Path) -> None:
    """The weights in each format, and in a file the bytes of the float32 model that all become."""
    import torch
    from safetensors.torch import save_file

    import clip
    from tests.support import weight_files

    torch.manual_seed(0)
    dims = clip.CLIPDims(
        embed_dim=512, image_resolution=224, vision_layers=12, vision_width=768, patch_size=16
    )
    state = clip.CLIP(dims).state_dict()
    torch.save(state, folder / FILES["state dict"])
    save_file(state, folder / FILES["safetensors"])
    (folder / "bytes").write_text(str(sum(tensor.numel() * 4 for tensor in state.values())))
    half = clip.build_model(state, precision="fp16").state_dict()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript's own: deprecated
        weight_files.save_archive(folder / FILES["archive"], half)


def child(program: str, arguments: list[str], checkout: Path) -> tuple[int, float]:
    """Peak resident bytes and seconds of a Python process.

    Raises:
        SystemExit: it failed.
    """
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONSAFEPATH": "1"}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments], env=environment, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    words = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{checkout}: {words.strip().splitlines()[-1:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    return usage.ru_maxrss * unit, time.perf_counter() - started


def measure(checkout: Path, files: dict[str, Path], model: int, repeat: int) -> dict[str, Any]:
    """For each format the medians over `repeat` processes."""
    rows: dict[str, Any] = {}
    for name, path in files.items():
        peaks, times = [], []
        for _ in range(repeat):
            least, start = child(IMPORTS + LEAVE, [], checkout)
            peak, seconds = child(IMPORTS + LOAD + LEAVE, [str(path)], checkout)
            peaks.append(peak - least)
            times.append(seconds - start)
        peak, seconds = statistics.median(peaks), statistics.median(times)
        rows[name] = {
            "above_imports_mib": peak / MIB,
            "times_the_model": peak / model,
            "seconds_above_imports": seconds,
        }
    return rows


def main() -> None:
    """Writes the files, measures one checkout or two, prints and saves."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", type=Path, help="another checkout, to compare with")
    parser.add_argument("--repeat", type=int, default=5, help="processes for each figure")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.write:
        return write_files(args.write)
    checkouts = {"this": ROOT, **({"base": args.base.resolve()} if args.base else {})}
    with tempfile.TemporaryDirectory() as folder:
        # in a process of its own: what it held would be in the way of small machines
        subprocess.run([sys.executable, __file__, "--write", folder], check=True)
        files = {name: Path(folder, file) for name, file in FILES.items()}
        model = int(Path(folder, "bytes").read_text())
        result: dict[str, Any] = {"model_mib": model / MIB, "python": sys.version.split()[0]}
        for name, checkout in checkouts.items():
            result[name] = measure(checkout, files, model, args.repeat)
    print(f"model {result['model_mib']:.0f} MiB; peak above the imports, median of {args.repeat}")
    for name in checkouts:
        for kind, row in result[name].items():
            print(
                f"{name:5} {kind:12} {row['above_imports_mib']:7.0f} MiB"
                f" {row['times_the_model']:5.2f} x model {row['seconds_above_imports']:6.2f} s"
            )
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
