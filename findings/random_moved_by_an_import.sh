#!/usr/bin/env bash
# An import that moves Python's random numbers: the same seed, another draw.
#
# Guess:  importing a library leaves the generator of `random` as it is: whoever seeds, imports
#         scikit-learn and samples 16 shots gets what he gets without the import.
# Seen:   rich 15.0.0 takes 24 bits of the global generator when rich.style is first imported (it
#         counts style ids from there). scikit-learn 1.9.1 imports rich for the progress bar of its
#         callbacks, new in 1.9, where rich happens to be installed: sklearn.preprocessing and so
#         sklearn.metrics, linear_model, datasets. With rich beside it random.seed(1), the import
#         and random.sample(range(100), 5) give other numbers the first time in a process than the
#         second time; without rich the same. numpy's generator stays where it was. So a few-shot
#         draw by `random` changes with a package that nobody asked for, and with who imported
#         first: a fresh process and one that was forked from a warm one draw apart.
# Follows: import before seeding, or draw from a random.Random(seed) of one's own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet scikit-learn==1.9.1 numpy==2.4.6
cat > "$folder/draws.py" <<'PY'
import importlib
import random
import sys

import numpy


def draw(module):
    random.seed(1)
    numpy.random.seed(1)
    importlib.import_module(module)
    return random.sample(range(100), 5), float(numpy.random.rand())


module, moved = sys.argv[1], sys.argv[2] == "moved"
random.seed(1)
plain = random.sample(range(100), 5)
(first, ours), (second, again) = draw(module), draw(module)
print(module, plain, first, second)
assert second == plain and ours == again
assert (first != plain) == moved, (module, plain, first)
PY
for module in sklearn.metrics sklearn.datasets sklearn.linear_model; do
    "$folder/venv/bin/python" "$folder/draws.py" "$module" still
done
"$folder/venv/bin/pip" install --quiet rich==15.0.0
for module in sklearn.metrics sklearn.datasets sklearn.linear_model rich.style; do
    "$folder/venv/bin/python" "$folder/draws.py" "$module" moved
done
"$folder/venv/bin/python" "$folder/draws.py" sklearn.utils still
echo "as seen"
