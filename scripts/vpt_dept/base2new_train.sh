#!/bin/sh
# VPTDePT, base-to-new, 16 shots: train on the base classes and test them.
#   sh scripts/vpt_dept/base2new_train.sh dtd 1
# Arguments: dataset (a file of configs/datasets), seed, config (default: vit_b16_c2_ep5_batch4_4).
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED [CONFIG]"
base2new_train VPTDePT "${3:-vit_b16_c2_ep5_batch4_4}" "$1" "$2"
