#!/usr/bin/env bash
# CoOp, base-to-new, 16 shots: train on the base classes and test them.
#   bash scripts/coop/base2new_train.sh dtd 1
# Arguments: dataset (a file of configs/datasets), seed, config (default: the CoCoOp paper's, 200
# epochs, 50 on imagenet; vit_b16_ep10_bs4_lr35 is DePT's).
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
usage 2 $# "DATASET SEED [CONFIG]"
case "$1" in
    imagenet) cfg=vit_b16_ep50_ctxv1 ;;
    *) cfg=vit_b16_ctxv1 ;;
esac
base2new_train CoOp "${3:-$cfg}" "$1" "$2"
