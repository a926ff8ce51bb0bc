#!/usr/bin/env bash
# torch.onnx.export with an example of one image: a named dimension that is fixed, in silence.
#
# Guess:  dynamic_shapes={"image": {0: torch.export.Dim("batch")}} names a free batch, whatever the
#         size of the example; a string, Dim.DYNAMIC and dynamic_axes mean the same.
# Seen:   torch 2.14.1, onnxscript 0.7.2, onnxruntime 1.32.0; patches, a class token that is expanded
#         to the batch, attention. From an example of one image Dim("batch") writes batch 1 into
#         the graph, without an error, and onnxruntime refuses 2 images (INVALID_ARGUMENT). A
#         string, Dim.DYNAMIC and dynamic_axes leave it free from the same example; from two images
#         all four do, and 1, 2 and 7 images agree with torch.
# Follows: export from two images, and run the file at sizes that the example did not have.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.14.1 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0
FOLDER="$folder" "$folder/venv/bin/python" - <<'PY'
import os

import numpy as np
import onnxruntime
import torch
from torch import nn


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.token = nn.Parameter(torch.randn(8))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, image):
        x = self.patches(image).flatten(2).transpose(1, 2)
        token = self.token.expand(x.shape[0], 1, -1)
        x = torch.cat([token, x], dim=1)
        return self.attention(x, x, x, need_weights=False)[0][:, 0]


def free_batch(images, **words):
    """Whether a tower exported from so many images takes 1, 2 and 7 and agrees with torch."""
    file = os.path.join(os.environ["FOLDER"], "tower.onnx")
    example = (torch.randn(images, 3, 16, 16),)
    torch.onnx.export(tower, example, file, dynamo=True, verbose=False, **words)
    run = onnxruntime.InferenceSession(file)
    (taken,) = run.get_inputs()
    for batch in (1, 2, 7):
        pictures = torch.randn(batch, 3, 16, 16)
        try:
            (out,) = run.run(None, {taken.name: pictures.numpy()})
        except onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument:
            assert taken.shape[0] == 1 != batch, taken.shape
            return False
        assert np.allclose(out, tower(pictures).detach().numpy(), atol=1e-5)
    return True


torch.manual_seed(0)
tower = Tower().eval()
ways = {
    "Dim": {"dynamic_shapes": {"image": {0: torch.export.Dim("batch")}}},
    "string": {"dynamic_shapes": {"image": {0: "batch"}}},
    "Dim.DYNAMIC": {"dynamic_shapes": {"image": {0: torch.export.Dim.DYNAMIC}}},
    "dynamic_axes": {"dynamic_axes": {"image": {0: "batch"}}, "input_names": ["image"]},
}
seen = {(name, images): free_batch(images, **way) for name, way in ways.items() for images in (1, 2)}
assert [way for way, free in seen.items() if not free] == [("Dim", 1)], seen
print("as seen:", seen)
PY
