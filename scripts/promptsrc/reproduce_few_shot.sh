#!/bin/sh
# PromptSRC, few-shot: test published models, seeds 1 to 3.
#   sh scripts/promptsrc/reproduce_few_shot.sh dtd 4 weights/dtd
# Arguments: dataset, shots, folder that holds <shots>shot/seed<N>.
. "$(dirname "$0")/../common.sh"
usage 3 $# "DATASET SHOTS WEIGHTS"
CFG=vit_b16_c2_ep50_batch4_4+4ctx_few_shot
for SEED in 1 2 3; do
    EVAL PromptSRC $CFG "$1" $SEED "output/few_shot/$1/PromptSRC/${CFG}_$2shots/seed$SEED" \
        "$(from_caller "$3")/$2shot/seed$SEED" DATASET.NUM_SHOTS "$2"
done
