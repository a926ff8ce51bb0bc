#!/bin/sh
# IVLP, transfer: test the model trained on ImageNet on another dataset.
#   sh scripts/independent-vlp/xd_test_ivlp.sh caltech101 1
# Arguments: dataset, seed.
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED"
xd_test IVLP vit_b16_c2_ep5_batch4_2+2ctx "$1" "$2"
