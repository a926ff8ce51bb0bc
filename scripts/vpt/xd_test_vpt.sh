#!/bin/sh
# VPT, transfer: test the model trained on ImageNet on another dataset.
#   sh scripts/vpt/xd_test_vpt.sh caltech101 1
# Arguments: dataset, seed.
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED"
xd_test VPT vit_b16_c2_ep5_batch4_4 "$1" "$2"
