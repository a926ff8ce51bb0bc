#!/bin/sh
# VPT, base-to-new, 16 shots: test the trained model on the new classes.
#   sh scripts/vpt/base2new_test_vpt.sh dtd 1
# Arguments: dataset (a file of configs/datasets), seed, config (default: vit_b16_c2_ep5_batch4_4).
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED [CONFIG]"
base2new_test VPT "${3:-vit_b16_c2_ep5_batch4_4}" "$1" "$2"
