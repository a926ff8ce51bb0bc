#!/bin/sh
# VPTDePT, source of transfer: train on all classes, 16 shots.
#   sh scripts/vpt_dept/xd_train.sh imagenet 1
# Arguments: dataset (imagenet), seed.
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED"
xd_train VPTDePT vit_b16_c2_ep5_batch4_4 "$1" "$2"
