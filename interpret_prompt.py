"""Prints the words of CLIP's vocabulary nearest to a learned context, as CoOp's script does.

python interpret_prompt.py output/coop/prompt_learner/model.pth.tar-50 3

python interpret_prompt.py output/coop/prompt_learner/model.pth.tar-50 3 --backbone ViT-B/16
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from command_line import Command, run

PUBLISHED_BACKBONE = "RN50"  # what CoOp's script compares with, whatever the prompt was trained on


def build_parser() -> argparse.ArgumentParser:
    """The command line; needs no torch."""
    parser = Command(__doc__)
    parser.add_argument("fpath", metavar="FPATH", help="checkpoint of the learned context")
    parser.add_argument("topk", metavar="TOPK", type=int, help="words for each vector")
    parser.add_argument(
        "--backbone",
        default=PUBLISHED_BACKBONE,
        help="CLIP whose words are compared: public name or file; every CLIP has words of its own, "
        f"so give the one of the training (default: {PUBLISHED_BACKBONE}, as published)",
    )
    return parser


def main(args: argparse.Namespace) -> None:
    """Prints the published lines; class-specific contexts one after the other.

    Raises:
        UserError: the file holds no context, or one of another width than CLIP's words.
    """
    import clip
    from dassl.utils.errors import MissingFileError
    from trainers.parts.backbone import resolve_backbone
    from trainers.parts.checkpoint import read_checkpoint
    from use.words import nearest

    if not Path(args.fpath).is_file():
        raise MissingFileError(f"{args.fpath}: no such checkpoint")
    print(f"Return the top-{args.topk} matched words")
    tower = clip.load_model(resolve_backbone(args.backbone)).text
    embedding = tower.token_embedding.weight
    print(f"Size of token embedding: {embedding.shape}")
    contexts = context_in(read_checkpoint(Path(args.fpath)).state, args.fpath)
    print(f"Size of context: {contexts.shape}")
    for number, context in enumerate(contexts if contexts.dim() == 3 else contexts[None]):
        places, distances = nearest(context, embedding, args.topk)
        if contexts.dim() == 3:
            print(f"Class {number}")
        print(f"Size of distance matrix: torch.Size([{len(context)}, {len(embedding)}])")
        for position, (row, values) in enumerate(zip(places, distances, strict=True), 1):
            words = [tower.tokenizer.word(int(place)) for place in row]
            print(f"{position}: {words} {[f'{value:.4f}' for value in values.tolist()]}")


def context_in(state: dict[str, Any], path: str) -> Any:
    """The tensor `ctx`, [n, W] or [C, n, W], of a checkpoint, wherever it stands in the model.

    Raises:
        BadFileError: (a UserError) it has none, or several.
    """
    from dassl.utils.errors import BadFileError

    found = [name for name in state if name.split(".")[-1] == "ctx"]
    if len(found) != 1:
        raise BadFileError(
            f"{path} holds {len(found)} tensors ctx among {', '.join(list(state)[:3])}, ...; give "
            f"the checkpoint of one learned context, or ask `python -m interpret words DIR`"
        )
    return state[found[0]].float()


if __name__ == "__main__":
    sys.exit(run(main, build_parser(), None))
