#!/bin/sh
# PromptSRCDePT, source of transfer: train on all classes, 16 shots.
#   sh scripts/promptsrc_dept/xd_train.sh imagenet 1
# Arguments: dataset (imagenet), seed.
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED"
xd_train PromptSRCDePT vit_b16_c2_ep20_batch4_4+4ctx_cross_datasets "$1" "$2"
