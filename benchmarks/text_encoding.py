"""Times three ways to encode class prompts with a frozen text tower, forward and backward.

    python benchmarks/text_encoding.py
    python benchmarks/text_encoding.py --context-tokens 16 --classes 100 --device cuda

All three give the same features and the same gradient of the context (checked before timing):
whole rows of 77 positions, rows cut behind the longest end of text, and one shared prefix
[SOS][context] that each class's suffix attends to. Weights are random; they do not matter for time.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from clip import TextTower

NAME_TOKENS = 5  # of the longest class name; with full stop and end of text


@dataclass
class Prompts:
    """context [n, W], trained; start [1, 1, W]; rest [C, 76-n, W]; eot [C], positions in a row."""

    context: Tensor
    start: Tensor
    rest: Tensor
    eot: Tensor

    def rows(self, length: int) -> Tensor:
        """[C, length, W]: start, context and rest of every class."""
        count = len(self.rest)
        context = self.context.expand(count, -1, -1)
        rest = self.rest[:, : length - 1 - context.shape[1]]
        return torch.cat([self.start.expand(count, -1, -1), context, rest], dim=1)

    def prefix(self) -> Tensor:
        """[1, 1+n, W]."""
        return torch.cat([self.start, self.context[None]], dim=1)


def build_parser() -> argparse.ArgumentParser:
    summary, _, rest = __doc__.partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default, meaning in (
        ("--classes", 50, "number of classes"),
        ("--context-tokens", 4, "learned vectors in front of the class name"),
        ("--layers", 12, "blocks of the text tower"),
        ("--width", 512, "width of the text tower, a multiple of 64"),
        ("--threads", 1, "CPU threads"),
        ("--repeats", 5, "timed rounds after one of warm-up; the median counts"),
    ):
        parser.add_argument(name, type=_positive, default=default, help=f"{meaning} ({default})")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (cpu)")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value


def make_prompts(tower: TextTower, classes: int, context_tokens: int) -> Prompts:
    """Random embeddings; class names of 1 to NAME_TOKENS tokens, then full stop and end of text."""
    generator = torch.Generator().manual_seed(0)
    device = tower.text_projection.device

    def random(*shape: int) -> Tensor:
        values = 0.02 * torch.randn(*shape, tower.width, generator=generator)
        return values.to(device)

    lengths = 1 + torch.arange(classes) % NAME_TOKENS
    return Prompts(
        context=random(context_tokens).requires_grad_(),
        start=random(1, 1),
        rest=random(classes, tower.context_length - 1 - context_tokens),
        eot=(context_tokens + lengths + 2).to(device),
    )


def encoders(tower: TextTower, prompts: Prompts) -> dict[str, Callable[[], Tensor]]:
    """The three ways by name; each encodes all classes, [C, D]."""
    longest = int(prompts.eot.max()) + 1
    group = torch.zeros_like(prompts.eot)

    def shared() -> Tensor:
        prefix = prompts.prefix()
        suffix = prompts.rest[:, : longest - prefix.shape[1]]
        return tower.forward_shared(prefix, suffix, group, prompts.eot)

    return {
        "plain, 77 positions": lambda: tower(prompts.rows(tower.context_length), prompts.eot),
        f"plain, cut at {longest}": lambda: tower(prompts.rows(longest), prompts.eot),
        "shared prefix": shared,
    }


def forward_backward(encode: Callable[[], Tensor], prompts: Prompts) -> Tensor:
    """Gradient of the context under a fixed linear loss."""
    features = encode()
    weights = torch.linspace(-1, 1, features.numel(), device=features.device)
    loss = (features.flatten() * weights).sum()
    return torch.autograd.grad(loss, prompts.context)[0]


def measure(
    ways: dict[str, Callable[[], Tensor]], prompts: Prompts, repeats: int
) -> dict[str, list[float]]:
    """Seconds of each round; the ways take turns, so that a busy machine slows all alike."""

    def wait() -> None:
        if prompts.context.is_cuda:
            torch.cuda.synchronize()

    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for done in range(repeats + 1):
        for name, encode in ways.items():
            wait()
            begin = time.perf_counter()
            forward_backward(encode, prompts)
            wait()
            if done:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


def largest_difference(ways: dict[str, Callable[[], Tensor]], prompts: Prompts) -> float:
    """Of features and gradients from those of the first way, relative to the largest value."""
    reference, *others = [
        (encode().detach(), forward_backward(encode, prompts)) for encode in ways.values()
    ]
    return max(
        float((ours - whole).abs().max() / whole.abs().max())
        for other in others
        for ours, whole in zip(other, reference, strict=True)
    )


def main(arguments: list[str] | None = None) -> int:
    parser = build_parser()
    args = parser.parse_args(arguments)
    if args.context_tokens > 77 - NAME_TOKENS - 3:
        parser.error(f"--context-tokens {args.context_tokens}: at most {77 - NAME_TOKENS - 3}")
    if args.width % 64:
        parser.error(f"--width {args.width}: use a multiple of 64")
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    tower = TextTower(
        width=args.width,
        layers=args.layers,
        heads=args.width // 64,
        output_dim=args.width,
        vocab_size=2,  # prompts are embeddings already
    )
    tower = tower.requires_grad_(False).to(args.device)
    prompts = make_prompts(tower, args.classes, args.context_tokens)
    ways = encoders(tower, prompts)
    difference = largest_difference(ways, prompts)
    if difference > 1e-3:
        print(f"error: the ways differ by {difference:.1e}; nothing was timed", file=sys.stderr)
        return 1
    seconds = measure(ways, prompts, args.repeats)
    report(vars(args), difference, seconds)
    return 0


def report(options: dict, difference: float, seconds: dict[str, list[float]]) -> None:
    """Prints the command and a table; the first way is the measure of the others."""
    words = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in options.items())
    print(f"python benchmarks/text_encoding.py {words}")
    print(f"torch {torch.__version__}, largest relative difference {difference:.1e}\n")
    print("| encoding | median ms | min ms | max ms | times faster |")
    print("|---|---|---|---|---|")
    whole = statistics.median(next(iter(seconds.values())))
    for name, rounds in seconds.items():
        middle = statistics.median(rounds)
        cells = [f"{1000 * value:.1f}" for value in (middle, min(rounds), max(rounds))]
        print(f"| {name} | {' | '.join(cells)} | {whole / middle:.2f} |")


if __name__ == "__main__":
    sys.exit(main())
