#!/usr/bin/env bash
# MaPLe, cross-dataset transfer: test the model trained on ImageNet on another dataset.
#   bash scripts/maple/xd_test_maple.sh caltech101 1
# Arguments: dataset, seed.
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
usage 2 $# "DATASET SEED"
CFG=vit_b16_c2_ep5_batch4_2ctx_cross_datasets
EPOCH=$(max_epoch "$(yaml_of MaPLe $CFG)")
EVAL MaPLe $CFG "$1" "$2" "output/evaluation/MaPLe/${CFG}_16shots/$1/seed$2" \
    "output/imagenet/MaPLe/${CFG}_16shots/seed$2" "$EPOCH"
