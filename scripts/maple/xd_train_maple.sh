#!/bin/sh
# MaPLe, source of transfer: train on all classes, 16 shots.
#   sh scripts/maple/xd_train_maple.sh imagenet 1
# Arguments: dataset (imagenet), seed.
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED"
xd_train MaPLe vit_b16_c2_ep5_batch4_2ctx_cross_datasets "$1" "$2"
