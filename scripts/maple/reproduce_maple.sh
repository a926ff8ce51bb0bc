#!/bin/sh
# MaPLe, base-to-new, 16 shots: test a published model on the base and on the new classes.
#   sh scripts/maple/reproduce_maple.sh dtd 1 weights/dtd
# Arguments: dataset (a file of configs/datasets), seed, folder that holds base/seed<N>, config
# (default: vit_b16_c2_ep5_batch4_2ctx).
. "$(dirname "$0")/../common.sh"
usage 3 $# "DATASET SEED WEIGHTS [CONFIG]"
reproduce_base2new MaPLe "${4:-vit_b16_c2_ep5_batch4_2ctx}" "$1" "$2" "$3"
