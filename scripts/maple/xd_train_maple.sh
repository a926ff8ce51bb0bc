#!/usr/bin/env bash
# MaPLe, source of cross-dataset transfer: train on all classes, 16 shots.
#   bash scripts/maple/xd_train_maple.sh imagenet 1
# Arguments: dataset (imagenet), seed.
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
usage 2 $# "DATASET SEED"
CFG=vit_b16_c2_ep5_batch4_2ctx_cross_datasets
TRAIN MaPLe $CFG "$1" "$2" "output/$1/MaPLe/${CFG}_16shots/seed$2" DATASET.NUM_SHOTS 16
