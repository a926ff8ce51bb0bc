#!/bin/sh
# IVLPDePT, source of transfer: train on all classes, 16 shots.
#   sh scripts/ivlp_dept/xd_train.sh imagenet 1
# Arguments: dataset (imagenet), seed.
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED"
xd_train IVLPDePT vit_b16_c2_ep5_batch4_2+2ctx "$1" "$2"
