#!/bin/sh
# PromptSRC, few-shot on all classes, seeds 1 to 3. The published averaging over epochs differs for
# five datasets.
#   sh scripts/promptsrc/few_shot.sh dtd 4
# Arguments: dataset, shots.
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SHOTS"
promptsrc_few_shot PromptSRC vit_b16_c2_ep50_batch4_4+4ctx_few_shot "$1" "$2"
