#!/bin/sh
# Zero-shot CLIP on the base or new classes of one task of several.
#   sh scripts/zeroshot_base2new.sh general10 rn50 1 new
# Arguments: dataset, config: rn50, rn101, vit_b32 or vit_b16 (a file of configs/trainers/ZeroShot),
# task, base or new.
. "$(dirname "$0")/common.sh"
usage 4 $# "DATASET CONFIG TASK base|new"
ZEROSHOT ZeroShot "$2" "$1" "output/base2new/ZeroshotCLIP/$2/$4/$1-$3" DATASET.NUM_SHOTS 1 \
    DATASET.SUBSAMPLE_TASKS "task$3" DATASET.SUBSAMPLE_CLASSES "$4"
