#!/bin/sh
# Zero-shot CLIP on one task of several, all classes.
#   sh scripts/zeroshot.sh general10 rn50 1
# Arguments: dataset, config: rn50, rn101, vit_b32 or vit_b16 (a file of configs/trainers/ZeroShot),
# task.
. "$(dirname "$0")/common.sh"
usage 3 $# "DATASET CONFIG TASK"
ZEROSHOT ZeroShot "$2" "$1" "output/ZeroshotCLIP/$2/$1-$3" DATASET.NUM_SHOTS 1 \
    DATASET.SUBSAMPLE_TASKS "task$3"
