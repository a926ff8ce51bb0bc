#!/bin/sh
# PromptSRC, transfer: test a published model, trained on ImageNet, on another dataset.
#   sh scripts/promptsrc/reproduce_xd.sh caltech101 1 weights/imagenet
# Arguments: dataset, seed, folder that holds seed<N>.
. "$(dirname "$0")/../common.sh"
usage 3 $# "DATASET SEED WEIGHTS"
reproduce_xd PromptSRC vit_b16_c2_ep20_batch4_4+4ctx_cross_datasets "$1" "$2" "$3"
