#!/bin/sh
# IVLP, transfer: test the model trained on ImageNet on another dataset.
#   sh scripts/language-prompting/xd_test_lp.sh caltech101 1
# Arguments: dataset, seed.
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED"
xd_test IVLP vit_b16_c2_ep5_batch4_4ctx_language_only "$1" "$2"
