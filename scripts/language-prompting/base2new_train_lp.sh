#!/bin/sh
# IVLP, base-to-new, 16 shots: train on the base classes and test them.
#   sh scripts/language-prompting/base2new_train_lp.sh dtd 1
# Arguments: dataset (a file of configs/datasets), seed, config (default:
# vit_b16_c2_ep5_batch4_4ctx_language_only).
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED [CONFIG]"
base2new_train IVLP "${3:-vit_b16_c2_ep5_batch4_4ctx_language_only}" "$1" "$2"
