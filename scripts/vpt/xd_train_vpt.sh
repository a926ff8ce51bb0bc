#!/bin/sh
# VPT, source of transfer: train on all classes, 16 shots.
#   sh scripts/vpt/xd_train_vpt.sh imagenet 1
# Arguments: dataset (imagenet), seed.
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED"
xd_train VPT vit_b16_c2_ep5_batch4_4 "$1" "$2"
