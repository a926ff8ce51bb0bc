#!/bin/sh
# MaPLeDePT, base-to-new, 16 shots: train on the base classes and test them.
#   sh scripts/maple_dept/base2new_train.sh dtd 1
# Arguments: dataset (a file of configs/datasets), seed, config (default:
# vit_b16_c2_ep10_batch4_2ctx).
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED [CONFIG]"
base2new_train MaPLeDePT "${3:-vit_b16_c2_ep10_batch4_2ctx}" "$1" "$2"
