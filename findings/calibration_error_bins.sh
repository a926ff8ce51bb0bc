#!/usr/bin/env bash
# torchmetrics' calibration error: one bin more than asked for, and values that are read anew in
# every batch as probabilities or as logits.
#
# Guess:  n_bins=15 makes 15 bins, a confidence of exactly 1.0 falls into the last; and what was
#         updated in batches is what was updated at once.
# Seen:   torchmetrics 1.9.0. Two predictions, 1.0 and wrong, 0.95 and right: by hand both lie in
#         (14/15, 1], mean confidence 0.975, accuracy 0.5, error 0.475. It says 0.525: 1.0 stands in
#         a bin of its own, so both errors count apart. CLIP's temperature makes 1.0 frequent.
#         Scores between -0.01 and 0.49 (cosines): a batch whose values all lie in [0, 1] is taken as
#         probabilities, one with a negative value goes through softmax. The same 400 rows give
#         other numbers in batches of 1, of 4 and of 16.
# Follows: hand it probabilities, or bin by hand and say where edges and 1.0 belong.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.14.1 torchmetrics==1.9.0
"$folder/venv/bin/python" - <<'PY'
import torch
from torchmetrics.classification import MulticlassCalibrationError

two = MulticlassCalibrationError(num_classes=2, n_bins=15)
value = two(torch.tensor([[1.0, 0.0], [0.95, 0.05]]), torch.tensor([1, 0])).item()
assert abs(value - 0.525) < 1e-6, value
generator = torch.Generator().manual_seed(0)
cosines = torch.rand(400, 5, generator=generator) * 0.5 - 0.01
labels = torch.randint(0, 5, (400,), generator=generator)
errors = []
for size in (1, 4, 16):
    metric = MulticlassCalibrationError(num_classes=5, n_bins=15)
    for images, answers in zip(cosines.split(size), labels.split(size)):
        metric.update(images, answers)
    errors.append(round(metric.compute().item(), 4))
assert len(set(errors)) == 3 and max(errors) - min(errors) > 0.01, errors
print("as seen:", value, errors)
PY
