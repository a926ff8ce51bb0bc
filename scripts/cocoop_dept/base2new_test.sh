#!/bin/sh
# CoCoOpDePT, base-to-new, 16 shots: test the trained model on the new classes.
#   sh scripts/cocoop_dept/base2new_test.sh dtd 1
# Arguments: dataset (a file of configs/datasets), seed, config (default:
# vit_b16_c4_ep10_batch1_ctxv1).
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED [CONFIG]"
base2new_test CoCoOpDePT "${3:-vit_b16_c4_ep10_batch1_ctxv1}" "$1" "$2"
