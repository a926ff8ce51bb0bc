"""Times each stage from a JPEG file to the model's input against other ways to do it.

    python benchmarks/image_reading.py
    python benchmarks/image_reading.py --width 1000 --height 750 --rounds 21

INPUT has the published settings: 224 pixels, bicubic, random resized crop, random flip, CLIP's
normalisation. JPEGs are made (reading_parts.py), ways stand in reading_ways.py. The ways of a stage
take turns on each picture, and with one thread the time is the processor's, so that other programs
disturb little; "times faster" is the median over pictures and rounds. Differences from the
published way are in grey levels (0 to 255).
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from PIL import Image, features
from torch import Tensor
from torchvision import __version__ as torchvision_version
from torchvision.transforms import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.reading_parts import describe, positive, quiet, write_jpegs
from benchmarks.reading_ways import Way, stages
from train import build_parser as training_parser
from train import setup_cfg

PUBLISHED = "configs/trainers/CoOp/vit_b16_ep50.yaml"


def build_parser() -> argparse.ArgumentParser:
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default, meaning in (
        ("--images", 16, "number of made JPEGs"),
        ("--width", 500, "of the JPEGs, in pixels; every fourth one is turned"),
        ("--height", 375, "of the JPEGs, in pixels"),
        ("--rounds", 11, "timed rounds after one of warm-up"),
        ("--threads", 1, "CPU threads of torch; a loader's worker has one"),
    ):
        parser.add_argument(name, type=positive, default=default, help=f"{meaning} ({default})")
    return parser


def measure(ways: list[Way], rounds: int) -> list[list[float]]:
    """Seconds of each way, one number a round and picture; who begins changes every round."""
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    seconds: list[list[float]] = [[] for _ in ways]
    for done in range(rounds + 1):
        order = [(done + shift) % len(ways) for shift in range(len(ways))]
        for place in range(len(ways[0].inputs)):
            for number in order:
                torch.manual_seed(done * len(ways[0].inputs) + place)  # the same crop for all ways
                begin = clock()
                ways[number].run(ways[number].inputs[place])
                if done:
                    seconds[number].append(clock() - begin)
    return seconds


def results(way: Way) -> list[Tensor]:
    """What the way makes of its inputs, [3, H, W] each."""
    torch.manual_seed(0)
    made = [way.run(item) for item in way.inputs]
    return [x if isinstance(x, Tensor) else functional.pil_to_tensor(x) for x in made]


def difference(ours: list[Tensor], published: list[Tensor], std: Tensor) -> str:
    """Largest and mean difference in grey levels, or "another size".

    Args:
        std: what the model's input was divided by, [3].
    """
    largest, means = 0.0, []
    for one, other in zip(ours, published, strict=True):
        if one.shape != other.shape:
            return "another size"
        gap = (one.double() - other.double()).abs()
        if one.is_floating_point():
            gap = gap * 255 * std[:, None, None]
        largest = max(largest, float(gap.max()))
        means.append(float(gap.mean()))
    return f"{largest:.2g}, {statistics.fmean(means):.2g}"


def rows(stage: str, ways: list[Way], rounds: int, std: Tensor) -> list[str]:
    """The stage's part of the table."""
    published, seconds, lines = results(ways[0]), measure(ways, rounds), []
    for way, times in zip(ways, seconds, strict=True):
        ours, middle = results(way), statistics.median(times)
        faster = statistics.median(a / b for a, b in zip(seconds[0], times, strict=True))
        same = all(torch.equal(a, b) for a, b in zip(ours, published, strict=True))
        cells = [stage, way.name, f"{1000 * middle:.2f}", f"{1 / middle:.0f}", f"{faster:.2f}"]
        cells += ["yes" if same else "no", difference(ours, published, std)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main(arguments: list[str] | None = None) -> int:
    args = build_parser().parse_args(arguments)
    torch.set_num_threads(args.threads)
    words = ["--trainer", "CoOp", "--config-file", PUBLISHED]
    words += ["--dataset-config-file", "configs/datasets/imagenet.yaml"]
    options = " ".join(f"--{name} {value}" for name, value in vars(args).items())
    print(f"python benchmarks/image_reading.py {options}")
    with tempfile.TemporaryDirectory() as folder, quiet():
        cfg = setup_cfg(training_parser().parse_args(words))
        paths = write_jpegs(Path(folder), args.images, args.width, args.height)
        print(describe(paths, args.width, args.height))
        jpeg = features.version("libjpeg_turbo") or features.version("jpg")
        print(f"torch {torch.__version__}, torchvision {torchvision_version}", end=", ")
        print(f"Pillow {Image.__version__} with JPEG library {jpeg}\n")
        print(
            "| stage | way | ms | images/s | times faster | same bits | largest, mean difference |"
        )
        print("|---|---|---|---|---|---|---|")
        std = torch.tensor(cfg.INPUT.PIXEL_STD).double()
        for stage, ways in stages(paths, cfg).items():
            print(*rows(stage, ways, args.rounds, std), sep="\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
