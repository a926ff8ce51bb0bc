#!/bin/sh
# MaPLeDePT, source of transfer: train on all classes, 16 shots.
#   sh scripts/maple_dept/xd_train.sh imagenet 1
# Arguments: dataset (imagenet), seed.
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED"
xd_train MaPLeDePT vit_b16_c2_ep5_batch4_2ctx_cross_datasets "$1" "$2"
