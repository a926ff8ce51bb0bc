#!/bin/sh
# CoOp, base-to-new, 16 shots: train on the base classes and test them.
#   sh scripts/coop/base2new_train.sh dtd 1
# Arguments: dataset (a file of configs/datasets), seed, config (default: the CoCoOp paper's, 200
# epochs, 50 on imagenet; vit_b16_ep10_bs4_lr35 is DePT's).
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED [CONFIG]"
CFG=vit_b16_ctxv1
[ "$1" != imagenet ] || CFG=vit_b16_ep50_ctxv1
base2new_train CoOp "${3:-$CFG}" "$1" "$2"
