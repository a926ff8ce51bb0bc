#!/bin/sh
# IVLP, source of transfer: train on all classes, 16 shots.
#   sh scripts/language-prompting/xd_train_lp.sh imagenet 1
# Arguments: dataset (imagenet), seed.
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED"
xd_train IVLP vit_b16_c2_ep5_batch4_4ctx_language_only "$1" "$2"
