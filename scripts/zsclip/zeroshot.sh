#!/bin/sh
# Zero-shot CLIP with the dataset's hand-written prompt, all classes.
#   sh scripts/zsclip/zeroshot.sh caltech101 vit_b16
# Arguments: dataset, config: rn50, rn101, vit_b32 or vit_b16 (a file of configs/trainers/CoOp).
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET CONFIG"
ZEROSHOT CoOp "$2" "$1" "output/ZeroshotCLIP/$2/$1"
