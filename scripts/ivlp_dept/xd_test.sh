#!/bin/sh
# IVLPDePT, transfer: test the model trained on ImageNet on another dataset.
#   sh scripts/ivlp_dept/xd_test.sh caltech101 1
# Arguments: dataset, seed.
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED"
xd_test IVLPDePT vit_b16_c2_ep5_batch4_2+2ctx "$1" "$2"
