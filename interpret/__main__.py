"""Looks inside a finished run: nearest words, features, channels, attention.

python -m interpret words output/digits --top-k 3
python -m interpret features output/digits
python -m interpret channels output/digits output/digits_zs
python -m interpret attention output/digits picture.png
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from command_line import Command, run

FORMATS = ("table", "csv", "json")


class _Part(Command):
    """A command below `python -m interpret`."""

    def __init__(self, *, prog: str, about: str) -> None:
        super().__init__(about)
        self.prog = prog


def build_parser() -> argparse.ArgumentParser:
    """The command line; needs no torch."""
    parser = Command(__doc__)
    parser.prog = "python -m interpret"
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Part)

    def add(name: str, about: str, main: Any, many: bool = False) -> argparse.ArgumentParser:
        part = commands.add_parser(name, help=about, about=about)
        part.add_argument("runs" if many else "run", nargs="+" if many else None, metavar="DIR")
        part.add_argument("--load-epoch", type=int, help="epoch; -1 is the newest")
        part.add_argument("--backbone", default="", help="where CLIP's weights lie now")
        part.set_defaults(main=main)
        return part

    part = add("words", "the vocabulary's words nearest to every context vector", words)
    part.add_argument("--top-k", type=int, default=5, help="words for each vector (default: 5)")
    part.add_argument("--format", choices=FORMATS, default="table", help="(default: table)")
    part.add_argument("--image", help="picture that shifts the context, for CoCoOp")

    part = add("features", "image and text features as npz, and a t-SNE picture", features)
    _add_data(part)
    part.add_argument("--split", default="test", choices=("test", "val"), help="(default: test)")
    part.add_argument("--output", default="", help="npz file (default: DIR/features.npz)")
    part.add_argument("--picture", default="", help="(default: DIR/features.png)")

    part = add("channels", "importance of each channel, base against new", channels, many=True)
    _add_data(part)
    part.add_argument("--output", default="", help="CSV file (default: first DIR/channels.csv)")
    part.add_argument("--picture", default="", help="(default: first DIR/channels.png)")

    part = add("attention", "where the class token looks, a PNG for each picture", attention)
    part.add_argument("images", nargs="+", metavar="IMAGE", help="files, folders or globs")
    part.add_argument("--block", type=int, default=-1, help="of the image tower (default: last)")
    part.add_argument("--output", default="", help="folder (default: DIR/attention)")
    return parser


def _add_data(part: argparse.ArgumentParser) -> None:
    part.add_argument("--root", default="", help="folder of the datasets (default: the run's)")


def read_run(args: argparse.Namespace, folder: str) -> Any:
    """The run in a folder, as the flags say.

    Raises:
        UserError: it is none.
    """
    from use.runs import Changes, TrainedRun

    return TrainedRun.read(folder, Changes(args.load_epoch, args.backbone))


def words(args: argparse.Namespace) -> None:
    """Prints a row for every context vector.

    Raises:
        UserError: the method learns no context.
    """
    import pandas as pd
    from tabulate import tabulate

    from use.classifier import PromptClassifier
    from use.dataset_features import prompt_model
    from use.words import contexts_of, near_words

    run_of = read_run(args, args.run)
    classifier = PromptClassifier(run_of, task="0" if run_of.space.tasks else None)
    model = prompt_model(classifier.trainer)
    image = classifier.tensor(args.image) if args.image else None
    found = list(near_words(model, contexts_of(model, image), args.top_k))
    rows = [
        {
            **{"part": f.part, "owner": f.owner, "block": f.block, "position": f.position},
            "rank": rank,
            "word": word,
            "distance": distance,
        }
        for f in found
        for rank, (word, distance) in enumerate(zip(f.words, f.distances, strict=True), 1)
    ]
    if args.format == "table":
        shown = [
            [f.part, f.owner, f.block, f.position]
            + [f"{w} {d:.3f}" for w, d in zip(f.words, f.distances, strict=True)]
            for f in found
        ]
        head = ["part", "owner", "block", "position", *map(str, range(1, len(shown[0]) - 3))]
        print(tabulate(shown, head, disable_numparse=True))
    elif args.format == "csv":
        print(pd.DataFrame(rows).to_csv(index=False), end="")
    else:
        print(pd.DataFrame(rows).to_json(orient="records", indent=2, force_ascii=False))


def features(args: argparse.Namespace) -> None:
    """Writes the features of a split and their picture.

    Raises:
        UserError: the dataset is not there, or the method has no features.
    """
    from use.dataset_features import draw_tsne, split_features

    run_of = read_run(args, args.run)
    found = split_features(run_of, split=args.split, root=args.root)
    target = Path(args.output or Path(args.run, "features.npz"))
    picture = Path(args.picture or Path(args.run, "features.png"))
    found.save(target)
    draw_tsne(found, picture, f"{run_of.cfg.TRAINER.NAME}, {run_of.cfg.DATASET.NAME}")
    print(f"written: {target}\nwritten: {picture}")


def channels(args: argparse.Namespace) -> None:
    """Writes the importance of every channel on base and new classes, and its picture.

    Raises:
        UserError: the dataset is not there, or a method's text features depend on the image.
    """
    from dassl.utils.files import atomic_write
    from use.channels import ChannelImportance, channel_importance, channel_table, draw_channels
    from use.dataset_features import split_features

    found = {}
    for folder in args.runs:
        run_of = read_run(args, folder)
        base, new = (
            channel_importance(split_features(run_of, subset=subset, root=args.root))
            for subset in ("base", "new")
        )
        name = run_of.cfg.TRAINER.NAME
        found[name if name not in found else folder] = ChannelImportance(base, new)
    target = Path(args.output or Path(args.runs[0], "channels.csv"))
    picture = Path(args.picture or Path(args.runs[0], "channels.png"))
    table = channel_table(found)
    atomic_write(target, table.to_csv(index=False))
    draw_channels(found, picture)
    for name, own in found.items():
        share = 100 * float((own.ratio > 1).mean())
        print(f"{name}: {share:.0f}% of {len(own.base)} channels serve base classes more than new")
    print(f"written: {target}\nwritten: {picture}")


def attention(args: argparse.Namespace) -> None:
    """Writes a PNG for each picture: the crop, the frozen CLIP's attention and the run's.

    Raises:
        UserError: a picture cannot be read, or there is no such block.
    """
    import numpy as np

    from use.attention import class_attention, draw_attention
    from use.classifier import PromptClassifier
    from use.dataset_features import prompt_model
    from use.pictures import find_pictures

    pictures = find_pictures(args.images)
    run_of = read_run(args, args.run)
    classifier = PromptClassifier(run_of, task="0" if run_of.space.tasks else None)
    model = prompt_model(classifier.trainer)
    folder = Path(args.output or Path(args.run, "attention"))
    node = run_of.cfg.INPUT
    for place, picture in enumerate(pictures):
        image = classifier.tensor(picture).to(classifier.trainer.device)
        maps = {"frozen CLIP": class_attention(model, image, block=args.block, prompted=False)}
        if model.image_change():
            maps[run_of.cfg.TRAINER.NAME] = class_attention(model, image, block=args.block)
        pixels = image.cpu().permute(1, 2, 0).numpy()
        if "normalize" in node.TRANSFORMS:
            pixels = pixels * np.array(node.PIXEL_STD) + np.array(node.PIXEL_MEAN)
        path = folder / f"{place:04d}_{Path(picture).stem}.png"
        draw_attention(pixels.clip(0, 1), maps, path, Path(picture).name)
        print(f"written: {path}")


def main(args: argparse.Namespace) -> None:
    """Runs the chosen command."""
    args.main(args)


if __name__ == "__main__":
    sys.exit(run(main, build_parser(), None))
