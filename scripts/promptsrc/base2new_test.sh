#!/bin/sh
# PromptSRC, base-to-new, 16 shots: test the trained model on the new classes.
#   sh scripts/promptsrc/base2new_test.sh dtd 1
# Arguments: dataset (a file of configs/datasets), seed, config (default:
# vit_b16_c2_ep20_batch4_4+4ctx).
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED [CONFIG]"
base2new_test PromptSRC "${3:-vit_b16_c2_ep20_batch4_4+4ctx}" "$1" "$2"
