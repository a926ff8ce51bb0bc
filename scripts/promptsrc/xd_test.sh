#!/bin/sh
# PromptSRC, transfer: test the model trained on ImageNet on another dataset.
#   sh scripts/promptsrc/xd_test.sh caltech101 1
# Arguments: dataset, seed.
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED"
xd_test PromptSRC vit_b16_c2_ep20_batch4_4+4ctx_cross_datasets "$1" "$2"
