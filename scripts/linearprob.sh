#!/bin/sh
# Linear probe of each task: features, then logistic regression (lpclip/).
#   sh scripts/linearprob.sh general10 rn50 9
# Arguments: dataset, model: rn50, rn101, vit_b32 or vit_b16, highest task.
. "$(dirname "$0")/common.sh"
usage 3 $# "DATASET MODEL MAX_TASK"
ROOT=$(data_root)
sh lpclip/feat_extractor.sh "$ROOT" "$1" "$2" "$3"
sh lpclip/linear_probe.sh "$1" "$2" "$3"
