#!/bin/sh
# IVLP, base-to-new, 16 shots: test the trained model on the new classes.
#   sh scripts/independent-vlp/base2new_test_ivlp.sh dtd 1
# Arguments: dataset (a file of configs/datasets), seed, config (default:
# vit_b16_c2_ep20_batch4_4+4ctx, PromptSRC's; MaPLe's repository has vit_b16_c2_ep5_batch4_2+2ctx).
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED [CONFIG]"
base2new_test IVLP "${3:-vit_b16_c2_ep20_batch4_4+4ctx}" "$1" "$2"
