#!/bin/sh
# MaPLeDePT, transfer: test the model trained on ImageNet on another dataset.
#   sh scripts/maple_dept/xd_test.sh caltech101 1
# Arguments: dataset, seed.
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED"
xd_test MaPLeDePT vit_b16_c2_ep5_batch4_2ctx_cross_datasets "$1" "$2"
