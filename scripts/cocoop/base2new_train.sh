#!/bin/sh
# CoCoOp, base-to-new, 16 shots: train on the base classes and test them.
#   sh scripts/cocoop/base2new_train.sh dtd 1
# Arguments: dataset (a file of configs/datasets), seed, config (default:
# vit_b16_c4_ep10_batch1_ctxv1).
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED [CONFIG]"
base2new_train CoCoOp "${3:-vit_b16_c4_ep10_batch1_ctxv1}" "$1" "$2"
