#!/usr/bin/env bash
# Zero-shot CLIP with the dataset's hand-written prompt, all classes.
#   bash scripts/zsclip/zeroshot.sh caltech101 vit_b16
# Arguments: dataset, config: rn50, rn101, vit_b32 or vit_b16 (a file of configs/trainers/CoOp).
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
usage 2 $# "DATASET CONFIG"
OUT=output/ZeroshotCLIP/$2/$1
if has_result "$OUT" '^ *=> result *$'; then
    echo "Skip: the result is in $OUT"
    exit 0
fi
call --trainer ZeroshotCLIP --dataset-config-file "configs/datasets/$1.yaml" \
    --config-file "configs/trainers/CoOp/$2.yaml" --output-dir "$OUT" --eval-only
