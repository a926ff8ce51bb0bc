#!/bin/sh
# CoCoOp, transfer: test the model trained on ImageNet on another dataset.
#   sh scripts/cocoop/xd_test.sh caltech101 1
# Arguments: dataset, seed.
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED"
xd_test CoCoOp vit_b16_c4_ep10_batch1_ctxv1 "$1" "$2"
