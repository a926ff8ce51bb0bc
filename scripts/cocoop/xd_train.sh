#!/bin/sh
# CoCoOp, source of transfer: train on all classes of ImageNet, 16 shots.
#   sh scripts/cocoop/xd_train.sh 1
# Arguments: seed.
. "$(dirname "$0")/../common.sh"
usage 1 $# "SEED"
xd_train CoCoOp vit_b16_c4_ep10_batch1_ctxv1 imagenet "$1"
