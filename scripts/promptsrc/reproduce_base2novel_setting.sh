#!/bin/sh
# PromptSRC, base-to-new, 16 shots: test a published model on the base and on the new classes.
#   sh scripts/promptsrc/reproduce_base2novel_setting.sh dtd 1 weights/dtd
# Arguments: dataset (a file of configs/datasets), seed, folder that holds base/seed<N>, config
# (default: vit_b16_c2_ep20_batch4_4+4ctx).
. "$(dirname "$0")/../common.sh"
usage 3 $# "DATASET SEED WEIGHTS [CONFIG]"
reproduce_base2new PromptSRC "${4:-vit_b16_c2_ep20_batch4_4+4ctx}" "$1" "$2" "$3"
