#!/bin/sh
# MaPLe, transfer: test a published model, trained on ImageNet, on another dataset.
#   sh scripts/maple/reproduce_maple_xd.sh caltech101 1 weights/imagenet
# Arguments: dataset, seed, folder that holds seed<N>.
. "$(dirname "$0")/../common.sh"
usage 3 $# "DATASET SEED WEIGHTS"
reproduce_xd MaPLe vit_b16_c2_ep5_batch4_2ctx_cross_datasets "$1" "$2" "$3"
