#!/bin/sh
# Linear probe, stage 2: logistic regression on the features, 1 to 16 shots. Run from any folder.
#   sh lpclip/linear_probe.sh OxfordPets DescribableTextures
#   sh lpclip/linear_probe.sh general10 rn50 9
# Arguments: dataset classes (default: OxfordPets), from lpclip/clip_feat/; or, as
# scripts/linearprob.sh calls it, dataset, model and highest task, from output/lpclip/.
. "$(dirname "$0")/../scripts/common.sh"
cd lpclip || exit
case "${3:-}" in
    [0-9]*)
        TASK=0
        while [ $TASK -le "$3" ]; do
            "$PYTHON" linear_probe.py --dataset "$1" \
                --feature_dir "../output/lpclip/$1/$2/$TASK" --num_step 8 --num_run 3 \
                --task-id $TASK
            TASK=$((TASK + 1))
        done ;;
    *)
        [ $# -gt 0 ] || set -- OxfordPets
        for DATASET in "$@"; do
            "$PYTHON" linear_probe.py --dataset "$DATASET" --feature_dir clip_feat \
                --num_step 8 --num_run 3
        done ;;
esac
