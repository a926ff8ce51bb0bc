#!/usr/bin/env bash
# The same weights in open_clip, as a published tag and as a file of one's own under the name.
#
# Guess:  activation and image normalisation belong to the architecture's name: a checkpoint of
#         ViT-B-32 or ViT-B-16-SigLIP is loaded alike by tag and from a downloaded file.
# Seen:   open_clip_torch 3.3.0. Of 196 published pairs of name and tag 27 ask for QuickGELU under
#         a name whose own configuration says GELU: OpenAI's, all of MetaCLIP and DFN under plain
#         names, LAION-400M's ViT-B-32. From a file the name decides, so MetaCLIP's tensors are
#         computed with the other activation, without a word. The same for pictures: SigLIP's tag
#         normalises with mean and std 0.5 and squashes; a file under its name gets OpenAI's mean
#         0.481 and a centre crop.
# Follows: take both from the tag, also for a file of one's own, and write down which were used.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.14.1 torchvision==0.29.1 open_clip_torch==3.3.0
FOLDER="$folder" HF_HUB_OFFLINE=1 "$folder/venv/bin/python" - <<'PY'
import os

import open_clip
import torch
from open_clip.pretrained import get_pretrained_cfg, list_pretrained

pairs = list_pretrained()
odd = [
    pair
    for pair in pairs
    if get_pretrained_cfg(*pair).get("quick_gelu")
    and not open_clip.get_model_config(pair[0]).get("quick_gelu", False)
]
assert (len(pairs), len(odd)) == (196, 27), (len(pairs), len(odd))
assert {("ViT-B-16", "metaclip_400m"), ("ViT-B-16", "dfn2b"), ("ViT-B-32", "openai")} <= set(odd)

name, file = "ViT-B-32", os.path.join(os.environ["FOLDER"], "weights.pt")
model = open_clip.create_model(name)
torch.save(model.state_dict(), file)
loaded = open_clip.create_model(name, pretrained=file)
assert isinstance(loaded.visual.transformer.resblocks[0].mlp.gelu, torch.nn.GELU)
assert get_pretrained_cfg(name, "metaclip_400m")["quick_gelu"] is True

name = "ViT-B-16-SigLIP"
torch.save(open_clip.create_model(name).state_dict(), file)
_, _, transform = open_clip.create_model_and_transforms(name, pretrained=file)
steps = {type(step).__name__: step for step in transform.transforms}
assert "CenterCrop" in steps, transform
assert abs(steps["Normalize"].mean[0] - 0.481) < 1e-3, transform
published = get_pretrained_cfg(name, "webli")
assert published["mean"][0] == 0.5 and published["resize_mode"] == "squash", published
print("as seen:", len(odd), "of", len(pairs), steps["Normalize"].mean)
PY
