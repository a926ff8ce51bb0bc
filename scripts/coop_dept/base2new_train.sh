#!/bin/sh
# CoOpDePT, base-to-new, 16 shots: train on the base classes and test them.
#   sh scripts/coop_dept/base2new_train.sh dtd 1
# Arguments: dataset (a file of configs/datasets), seed, config (default: vit_b16_ep10_bs4_lr35).
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED [CONFIG]"
base2new_train CoOpDePT "${3:-vit_b16_ep10_bs4_lr35}" "$1" "$2"
