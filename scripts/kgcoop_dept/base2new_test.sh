#!/bin/sh
# KgCoOpDePT, base-to-new, 16 shots: test the trained model on the new classes.
#   sh scripts/kgcoop_dept/base2new_test.sh dtd 1
# Arguments: dataset (a file of configs/datasets), seed, config (default:
# vit_b16_ep10_ctxv1_bs4_lr35).
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SEED [CONFIG]"
base2new_test KgCoOpDePT "${3:-vit_b16_ep10_ctxv1_bs4_lr35}" "$1" "$2"
