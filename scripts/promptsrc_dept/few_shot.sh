#!/bin/sh
# PromptSRCDePT, few-shot on all classes, seeds 1 to 3. The published averaging over epochs differs
# for five datasets.
#   sh scripts/promptsrc_dept/few_shot.sh dtd 4
# Arguments: dataset, shots.
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SHOTS"
promptsrc_few_shot PromptSRCDePT vit_b16_c2_ep50_batch4_4+4ctx_few_shot "$1" "$2"
