#!/bin/sh
# MaPLe, base-to-new, 16 shots: test the trained model on the new classes.
#   sh scripts/maple/base2new_test.sh dtd 1
# Arguments: dataset (a file of configs/datasets), seed, config (default:
# vit_b16_c2_ep5_batch4_2ctx).
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED [CONFIG]"
base2new_test MaPLe "${3:-vit_b16_c2_ep5_batch4_2ctx}" "$1" "$2"
