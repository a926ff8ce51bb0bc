"""Step time and peak memory of every method against the number of classes.

    python benchmarks/class_curves.py --minutes 25 --json curves.json --plot curves.png
    python benchmarks/class_curves.py --methods CoOp CoOpDePT --classes 10 100 --limit 2G
    python benchmarks/class_curves.py --json curves.json --plot curves.png --classes

Each point is a process of its own, as in class_memory.py: ViT-B/16 with random weights at 224
pixels, published settings and batch (named in the table), fp32 on a CPU, one step to warm up and
`--steps` that count, fewer where they take long. Points are taken by rising number of classes, so
that a run of few minutes has the small ones of all methods. The file of `--json` is written after
each point, and a later run measures what is missing; without classes it only shows what is there.

Left out, and said so: a point that has not taken its first step after `--patience` seconds
(building is in them: PromptSRC encodes 60 texts of each class before its first step), one that
needs more than `--most` GiB, all of the method with more classes than one of these, points that
time or memory of the two before them put beyond these on a straight line, and with `--minutes` what
would end later. Prints Markdown; `--plot FILE` draws it.
"""

import argparse
import hashlib
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import class_memory
from benchmarks.class_memory import CHILD, MIB, ROOT, FailedChild, LateChild, of_child

METHODS = (
    *("CoOp", "CoCoOp", "KgCoOp", "ProGrad", "SoftCPT", "TCP", "MaPLe", "IVLP", "VPT"),
    *("PromptSRC", "CoPrompt", "MMRL", "MMA", "CLIPLoRA", "CLIPAdapter", "TaskRes", "TipAdapterF"),
)
CLASSES = (10, 100, 1000, 10_000)
CODE = ("clip", "dassl", "trainers", "benchmarks/training_step.py")
NO_MEMORY = ("alloc", "MemoryError")  # in what a process says that may not have more
PANELS = {"step_s": ("s a step", "{:.2f}"), "peak_mib": ("peak MiB", "{:,.0f}")}
Row = dict[str, Any]


class Curves:
    """The points, in memory and in a file.

    Args:
        file: where they are kept.
        about: what they are measured of; a file of something else is refused. Empty for what the
            file says.

    Raises:
        SystemExit: the file is of other code, another machine or other settings.
    """

    def __init__(self, file: Path, about: Row) -> None:
        self.file, self.about = file, about
        self.rows: list[Row] = []
        if file.is_file():
            kept = json.loads(file.read_text())
            differing = [key for key, value in about.items() if kept["about"].get(key) != value]
            if differing:
                sys.exit(
                    f"error: {file} is of another {', '.join(differing)}; name another file or "
                    f"remove it"
                )
            self.about, self.rows = kept["about"], kept["rows"]

    def add(self, row: Row) -> None:
        """Keep a point in place of an earlier attempt, and write all."""
        same = (row["method"], row["classes"])
        self.rows = [r for r in self.rows if (r["method"], r["classes"]) != same] + [row]
        self.file.parent.mkdir(parents=True, exist_ok=True)
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps({"about": self.about, "rows": self.rows}, indent=1) + "\n")
        part.replace(self.file)

    def of(self, method: str) -> list[Row]:
        """The measured points of a method, by number of classes."""
        found = [r for r in self.rows if r["method"] == method and "step_s" in r]
        return sorted(found, key=lambda row: row["classes"])

    def point(self, method: str, classes: int) -> Row:
        """A point, measured or told; {} where it is neither."""
        same = (method, classes)
        return next((r for r in self.rows if (r["method"], r["classes"]) == same), {})

    def reckoned(self, method: str, classes: int, key: str) -> float | None:
        """What the two measured points before it make expect of a point, on a straight line; the
        last one's where it falls or stands alone, None where there is none."""
        before = [row for row in self.of(method) if row["classes"] < classes][-2:]
        if len(before) < 2:
            return before[0][key] if before else None
        (n, low), (m, high) = ((row["classes"], row[key]) for row in before)
        return high + max(0.0, (high - low) / (m - n)) * (classes - m)


def about(args: argparse.Namespace) -> Row:
    """What figures depend on."""
    files = [file for name in CODE for file in sorted((ROOT / name).rglob("*.py"))]
    code = b"".join(file.read_bytes() for file in [*files, ROOT / CODE[-1]])
    return {
        "limit": args.limit,
        "code": hashlib.sha256(code).hexdigest()[:16],
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "torch": importlib.metadata.version("torch"),
    }


def why_not(curves: Curves, method: str, classes: int, args: argparse.Namespace) -> str:
    """Why a point is not worth a try; empty where it is."""
    for row in curves.rows:
        if row["method"] != method or "told" not in row or row["classes"] > classes:
            continue
        given = [getattr(args, key) > row[key] for key in ("patience", "most") if key in row]
        same = row["classes"] == classes
        if not any(given) and (given or not same):  # what failed otherwise is tried again
            return row["told"] if same else f"with {row['classes']:,} classes {row['told']}"
    seconds = curves.reckoned(method, classes, "first_s")
    if seconds is not None and seconds > args.patience:
        return f"first step reckoned after {seconds:.0f} s"
    memory = curves.reckoned(method, classes, "peak_mib")
    if memory is not None and memory > 1024 * args.most:
        return f"reckoned to need {memory / 1024:.1f} GiB"
    return ""


def measured(method: str, classes: int, weights: str, args: argparse.Namespace) -> Row:
    """A point, or what is told of it."""
    row: Row = {"method": method, "classes": classes}
    words = [class_memory.__file__, CHILD, method, str(classes), args.limit, weights]
    words += [str(1 + args.steps), str(args.patience)]
    try:
        ended = of_child(words, args.patience, int(args.most * 1024 * MIB))
    except LateChild:
        told = f"no first step within {args.patience:.0f} s"
        return {**row, "told": told, "patience": args.patience}
    except FailedChild as failed:
        end = str(failed)
        if any(word in end for word in NO_MEMORY):
            return {**row, "told": f"needs more than {args.most:g} GiB", "most": args.most}
        return {**row, "told": f"failed: {end}"}
    took = {"first_s": ended.first, "wall_s": ended.seconds, "steps": len(ended.said["seconds"])}
    return {
        **row,
        **class_memory.medians(ended.said),
        "peak_mib": ended.peak / MIB,
        "batch": ended.said["batch"],
        **took,
    }


def measure(
    curves: Curves, args: argparse.Namespace, weights: str, take: Callable[..., Row] = measured
) -> list[str]:
    """Takes the points that are missing; returns a line for each that is left out."""
    began, left_out = time.perf_counter(), []
    for classes in sorted(args.classes):
        for method in args.methods:
            name = f"{method}, {classes:,} classes"
            if "step_s" in curves.point(method, classes):
                continue
            reason = why_not(curves, method, classes, args)
            expected = curves.reckoned(method, classes, "wall_s") or 0.0
            left = 60 * args.minutes - (time.perf_counter() - began) if args.minutes else None
            if not reason and left is not None and expected > left:
                reason = f"about {expected:.0f} s, and {max(0, left):.0f} s are left"
            if not reason:
                row = take(method, classes, weights, args)
                curves.add(row)
                reason = row.get("told", "")
                if not reason:
                    print(f"{name}: {row['step_s']:.2f} s, {row['peak_mib']:,.0f} MiB", flush=True)
            if reason:
                left_out.append(f"{name}: {reason}")
                print(f"left out: {left_out[-1]}", flush=True)
    return left_out


def markdown(curves: Curves) -> str:
    """A table of step times and one of peaks, with a dash where nothing is measured."""
    columns = sorted({row["classes"] for row in curves.rows})
    methods = list(dict.fromkeys(row["method"] for row in curves.rows))
    parts = []
    for key, (title, form) in PANELS.items():
        lines = [["method", "batch", *(f"{number:,}" for number in columns)], ["---"] * 2]
        lines[1] += ["---:"] * len(columns)
        for method in methods:
            points = [curves.point(method, number) for number in columns]
            batch = next((str(row["batch"]) for row in points if "batch" in row), "-")
            cells = [form.format(row[key]) if key in row else "-" for row in points]
            lines.append([method, batch, *cells])
        parts.append(f"{title}, by classes\n\n" + "\n".join(f"| {' | '.join(x)} |" for x in lines))
    return "\n\n".join(parts)


def draw(curves: Curves, picture: Path) -> None:
    """Two panels, step time and peak memory over classes, a line for each method."""
    import matplotlib.style
    from matplotlib.figure import Figure

    from runner.show.drawing import look

    methods = [m for m in dict.fromkeys(r["method"] for r in curves.rows) if curves.of(m)]
    with matplotlib.style.context("tableau-colorblind10"):
        figure = Figure(figsize=(11, 5), layout="constrained")
        for axis, (key, (title, _)) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
            for number, method in enumerate(methods):
                points = curves.of(method)
                axis.plot(
                    [row["classes"] for row in points],
                    [row[key] for row in points],
                    **look(number),
                    label=method,
                    markersize=4,
                    linewidth=1,
                )
            axis.set(xscale="log", yscale="log", xlabel="classes", title=title)
            axis.grid(alpha=0.3)
        figure.legend(*axis.get_legend_handles_labels(), loc="outside right center", fontsize=8)
        picture.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(picture, dpi=130)


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", nargs="+", default=list(METHODS), help="trainers")
    parser.add_argument("--dept", action="store_true", help="their DePT variants as well")
    parser.add_argument("--classes", nargs="*", type=int, default=list(CLASSES))
    parser.add_argument("--limit", default="none", help="--memory-limit of each; default: none")
    parser.add_argument("--steps", type=int, default=3, help="that count, at most; default: 3")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds; default: 60")
    parser.add_argument("--most", type=float, default=8.0, help="GiB; default: 8")
    parser.add_argument("--minutes", type=float, help="of the whole run; default: no end")
    parser.add_argument("--json", type=Path, default=Path("class_curves.json"), metavar="FILE")
    parser.add_argument("--anew", action="store_true", help="whatever the file holds")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="picture of all in the file")
    parser.add_argument("--weights", help="a CLIP in place of ViT-B/16 with random weights")
    args = parser.parse_args(words)
    if args.steps < 1 or args.patience <= 0 or any(number < 2 for number in args.classes):
        parser.error("--steps of 1 or more, --patience above 0 and --classes of 2 or more")
    if args.dept:
        args.methods = [*args.methods, *(f"{name}DePT" for name in args.methods)]
    return args


def main(words: Sequence[str] | None = None) -> None:
    """Measures what is missing, prints and draws all."""
    args = parse(words)
    if args.anew:
        args.json.unlink(missing_ok=True)
    curves = Curves(args.json, about(args) if args.classes else {})
    left_out: list[str] = []
    if args.classes and args.weights:
        left_out = measure(curves, args, args.weights)
    elif args.classes:
        with class_memory.random_weights() as weights:
            left_out = measure(curves, args, weights)
    said = ", ".join(f"{key} {value}" for key, value in curves.about.items())
    print(f"\n{markdown(curves)}\n\n{said}")
    for line in left_out:
        print(f"left out: {line}")
    if args.plot:
        draw(curves, args.plot)
        print(f"picture: {args.plot}")
    if failed := [line for line in left_out if ": failed: " in line]:
        sys.exit(f"failed: {len(failed)} of the points")


if __name__ == "__main__":
    main()
