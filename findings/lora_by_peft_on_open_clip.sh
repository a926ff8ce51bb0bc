#!/usr/bin/env bash
# LoRA from peft on open_clip's towers: adapters that nothing runs, a dropout that nothing draws.
#
# Guess:  target_modules="all-linear" adapts every projection of a block; "out_proj" the output
#         projection of attention; "attn" trains matrices for q, k and v, as CLIP-LoRA does, with
#         the dropout that it is given. A merged model computes what the adapted one did.
# Seen:   peft 0.21.2, open_clip_torch 3.3.0, torch 2.14.1, on a ViT of three blocks a tower.
#         nn.MultiheadAttention reads the weight of out_proj and never calls it. "out_proj" makes 12
#         matrices with requires_grad, of which none changes the output or gets a gradient: a
#         loss has no graph. "all-linear" leaves q, k and v alone, and 12 of its 36 matrices are
#         those dead ones; filled with numbers they count only once merged, so that the merged
#         model computes something else. No warning.
#         "attn" works: one down-projection [r, d] that q, k and v share, one [3d, r] up, and a pair
#         for out_proj. At r = 2 and d = 64 that is 768 numbers a block; CLIP-LoRA's three pairs for
#         q, k and v are 768 too, of another function. lora_dropout=0.25 is taken without a word
#         and drops nothing: two training passes are equal to the last bit.
# Follows: after a first backward pass ask every trained tensor for its gradient; compare merged and
#         unmerged outputs with B that is not zero; count the matrices, not the numbers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.14.1 torchvision==0.29.1 \
    open_clip_torch==3.3.0 peft==0.21.2 transformers==5.24.0
"$folder/venv/bin/python" - <<'PY'
import warnings

import open_clip
import torch
from peft import LoraConfig, get_peft_model

tower = {"layers": 3, "width": 64}
images, texts = torch.randn(2, 3, 32, 32), torch.randint(0, 999, (2, 77))


def outputs(model):
    return torch.cat([model.encode_image(images), model.encode_text(texts)])


def clip():
    torch.manual_seed(0)
    vision = {**tower, "head_width": 32, "image_size": 32, "patch_size": 16}
    text = {**tower, "heads": 2, "vocab_size": 1000}
    return open_clip.CLIP(embed_dim=32, vision_cfg=vision, text_cfg=text)


def far(a, b):
    return (a - b).abs().max().item() > 1e-2


plain = outputs(clip().eval()).detach()


def look(targets, dropout=0.0):
    """How many matrices, how many without a gradient, whether they change the output, whether
    merging does, whether two training passes differ."""
    config = LoraConfig(r=2, lora_alpha=2, target_modules=targets, lora_dropout=dropout)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        adapted = get_peft_model(clip(), config)
    trained = {n: p for n, p in adapted.named_parameters() if p.requires_grad}
    for name, value in trained.items():
        if "lora_B" in name:
            torch.nn.init.normal_(value)
    model = adapted.base_model.model.train()
    one, two = outputs(model), outputs(model)
    if one.requires_grad:
        one.square().sum().backward()
    dead = [name for name, value in trained.items() if value.grad is None]
    assert all("out_proj" in name for name in dead), dead
    model.eval()
    own = outputs(model).detach()
    merged = outputs(adapted.merge_and_unload().eval()).detach()
    numbers = sum(value.numel() for value in trained.values())
    return (
        (len(trained), len(dead), numbers),
        {"moves": far(own, plain), "merged moves": far(merged, own)},
        not torch.equal(one, two),
    )


out = look(["out_proj"])
assert out == ((12, 12, 1536), {"moves": False, "merged moves": True}, False), out
every = look("all-linear")
assert every == ((36, 12, 9216), {"moves": True, "merged moves": True}, False), every
attention = look(["attn"], dropout=0.25)
assert attention == ((24, 0, 4608), {"moves": True, "merged moves": False}, False), attention
print("as seen:", out, every, attention)
PY
