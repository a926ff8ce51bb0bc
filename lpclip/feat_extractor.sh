#!/bin/sh
# Linear probe, stage 1: image features of the train, val and test images. Run from any folder.
#   sh lpclip/feat_extractor.sh oxford_pets dtd
#   sh lpclip/feat_extractor.sh ~/data general10 rn50 9
# Arguments: datasets (default: oxford_pets), into lpclip/clip_feat/; or, as scripts/linearprob.sh
# calls it, data root, dataset, model and highest task, into output/lpclip/, where files that are
# there are kept.
case "${4:-}" in [0-9]*) export DATA="$1" ;; esac
. "$(dirname "$0")/../scripts/common.sh"
ROOT=$(data_root)
cd lpclip || exit

extract() ( # extract DATASET SPLIT CONFIG FOLDER [KEY VALUE ...]
    dataset=$1 split=$2 cfg=$3 out=$4
    shift 4
    "$PYTHON" feat_extractor.py --split "$split" --root "$ROOT" --seed 1 \
        --dataset-config-file "../configs/datasets/$dataset.yaml" \
        --config-file "../configs/trainers/$cfg.yaml" --output-dir "$out" --eval-only "$@"
)

case "${4:-}" in
    [0-9]*)
        TASK=0
        while [ $TASK -le "$4" ]; do
            OUT=../output/lpclip/$2/$3/$TASK
            for SPLIT in train val test; do
                if [ -f "$OUT/$SPLIT.npz" ]; then
                    echo "Skip: $OUT/$SPLIT.npz is there"
                else
                    extract "$2" $SPLIT "LP/$3_val" "$OUT" DATASET.SUBSAMPLE_TASKS "task$TASK"
                fi
            done
            TASK=$((TASK + 1))
        done ;;
    *)
        [ $# -gt 0 ] || set -- oxford_pets
        for DATASET in "$@"; do
            for SPLIT in train val test; do
                extract "$DATASET" $SPLIT CoOp/rn50_val ./clip_feat/
            done
        done ;;
esac
