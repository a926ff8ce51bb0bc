"""Train the demo CLIP from scratch and write assets/demo/clip_demo.pt.

    python -m assets.demo.making.pretrain     # under half an hour on two cores
    python -m assets.demo.making.measure      # what it then gives on the demo data sets

A CLIP of 1.6 million parameters (32 pixels, patch 4, width 128, 4 layers a tower) learns from
pictures and captions that `source.py` makes. It is trained with CLIP's symmetric contrastive
loss, in which all captions of a batch that are true of a picture share its target. The file is
OpenAI's state-dict layout in half precision; of the token embedding it holds only the rows of
tokens that occur in captions (`token_embedding.ids`).
"""

import argparse
import io
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

import clip
from assets.demo.making import source
from clip.model import CLIP, CLIPDims
from dassl.utils.files import atomic_write

ROOT = Path(__file__).resolve().parents[3]
# CLIP's published pixel statistics
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)
CAPTIONS_PER_PICTURE = 6


@dataclass(frozen=True)
class Pairs:
    """The training set: N pictures, K captions of each among T distinct ones, F facts.

    Attributes:
        pictures: uint8 [N, 3, 32, 32].
        facts: code of each fact of each picture [N, F]; 0 is none.
        rows: captions of each picture [N, K].
        tokens: [T, L], cut at the longest text.
        said: code of each fact that a caption mentions [T, F]; 0 is not mentioned.
    """

    pictures: torch.Tensor
    facts: torch.Tensor
    rows: torch.Tensor
    tokens: torch.Tensor
    said: torch.Tensor


def make_pairs(count: int, seed: int) -> Pairs:
    """Draw the training set."""
    rng = np.random.default_rng(seed)
    words: dict[str, int] = {"": 0}

    def encode(facts: dict[str, str]) -> list[int]:
        return [words.setdefault(facts.get(name, ""), len(words)) for name in source.FACTS]

    captions: dict[str, int] = {}
    pictures, facts, rows, said = [], [], [], []
    for _ in range(count):
        picture, truth = source.draw_picture(rng)
        pictures.append(picture.transpose(2, 0, 1))
        facts.append(encode(truth))
        rows.append([])
        for _ in range(CAPTIONS_PER_PICTURE):
            text, mentioned = source.make_caption(truth, rng)
            if text not in captions:
                captions[text] = len(captions)
                said.append(encode(mentioned))
            rows[-1].append(captions[text])
    tokens = clip.tokenize(list(captions))
    longest = int(tokens.argmax(dim=-1).max()) + 1
    images = torch.from_numpy(np.stack(pictures))
    return Pairs(images, *map(torch.tensor, (facts, rows)), tokens[:, :longest], torch.tensor(said))


def describes(said: torch.Tensor, facts: torch.Tensor) -> torch.Tensor:
    """Whether a picture has all facts that a caption mentions, float [pictures, captions]."""
    return ((said[None] == 0) | (said[None] == facts[:, None])).all(dim=2).float()


def normalise(pictures: torch.Tensor) -> torch.Tensor:
    return (pictures.float() / 255 - MEAN) / STD


def contrastive_loss(model: CLIP, pictures, tokens, eot, truth) -> torch.Tensor:
    """CLIP's cross-entropy both ways; all captions that are true of a picture share its target.

    In a batch of 128 about four pictures show the same thing: counted as wrong, as in CLIP's own
    loss, they would work against the class names.

    Args:
        pictures: normalised [B, 3, 32, 32].  tokens: [B, L].  eot: [B].
        truth: 1 where a caption describes a picture, else 0 [B, B].
    """
    # a third less time on processors that multiply bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        image = model.visual(pictures)
        text = model.text(model.text.embed(tokens), eot)
    image = functional.normalize(image.float(), dim=-1)  # [B, D]
    text = functional.normalize(text.float(), dim=-1)  # [B, D]
    logits = model.logit_scale.exp() * image @ text.T  # [B, B]
    per_image = functional.cross_entropy(logits, truth / truth.sum(dim=1, keepdim=True))
    per_text = functional.cross_entropy(logits.T, truth.T / truth.T.sum(dim=1, keepdim=True))
    return (per_image + per_text) / 2


def build_optimizer(model: CLIP, lr: float) -> torch.optim.Optimizer:
    """AdamW; vectors and the temperature do not decay."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98))


def schedule(step: int, steps: int) -> float:
    """Share of the highest learning rate: linear warm-up over 150 steps times a cosine to 0."""
    return min(1.0, (step + 1) / 150) * 0.5 * (1 + math.cos(math.pi * step / steps))


def train(args: argparse.Namespace) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Train; returns the averaged weights and the token ids that their embedding rows stand for."""
    torch.manual_seed(args.seed)
    pairs = make_pairs(args.pictures, args.seed)
    eot = pairs.tokens.argmax(dim=-1)
    ids, tokens = torch.unique(pairs.tokens, return_inverse=True)  # 0..n-1 stand for ids
    print(f"{args.pictures} pictures, {len(tokens)} captions of {len(ids)} tokens")
    model = CLIP(demo_dims(len(ids)))
    optimizer = build_optimizer(model, args.lr)
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995)
    )
    start, mean_loss = time.time(), 0.0
    for step in range(args.steps):
        for group in optimizer.param_groups:
            group["lr"] = args.lr * schedule(step, args.steps)
        picked = torch.randint(args.pictures, (args.batch,))
        row = pairs.rows[picked, torch.randint(CAPTIONS_PER_PICTURE, (args.batch,))]
        longest = int(eot[row].max()) + 1
        truth = describes(pairs.said[row], pairs.facts[picked])
        images = normalise(pairs.pictures[picked])
        loss = contrastive_loss(model, images, tokens[row, :longest], eot[row], truth)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        model.logit_scale.data.clamp_(0, math.log(100))
        average.update_parameters(model)
        mean_loss += (loss.item() - mean_loss) / min(step + 1, 50)
        if (step + 1) % 50 == 0:
            spent = time.time() - start
            print(f"step {step + 1}/{args.steps} loss {mean_loss:.3f} {spent:.0f} s", flush=True)
    return average.module.state_dict(), ids


def demo_dims(vocab_size: int) -> CLIPDims:
    """The demo CLIP's sizes; heads follow from the widths, 64 channels each."""
    return CLIPDims(
        embed_dim=128,
        image_resolution=source.SIZE,
        vision_layers=4,
        vision_width=128,
        patch_size=4,
        vocab_size=vocab_size,
        text_width=128,
        text_layers=4,
    )


def compact(weights: dict[str, torch.Tensor], ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """The file's content: weights in half, and which vocabulary rows the token embedding holds."""
    state = {name: tensor.detach().half().contiguous() for name, tensor in weights.items()}
    state["token_embedding.ids"] = ids.to(torch.int32)
    return state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default=str(ROOT / "assets" / "demo" / "clip_demo.pt"))
    parser.add_argument(
        "--pictures", type=int, default=20000, help="training pictures (%(default)s)"
    )
    parser.add_argument("--steps", type=int, default=1800, help="optimizer steps (%(default)s)")
    parser.add_argument("--batch", type=int, default=128, help="pairs a step (%(default)s)")
    parser.add_argument(
        "--lr", type=float, default=2e-3, help="highest learning rate (%(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=20, help="of pictures and weights (%(default)s)"
    )
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (%(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    start = time.time()
    weights, ids = train(args)
    buffer = io.BytesIO()
    torch.save(compact(weights, ids), buffer)
    atomic_write(args.out, buffer.getvalue())
    print(f"{args.out}: {buffer.tell():,} bytes, {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
