#!/usr/bin/env bash
# PromptSRC, few-shot on all classes, seeds 1 to 3. The published averaging over epochs differs for
# five datasets.
#   bash scripts/promptsrc/few_shot.sh dtd 4
# Arguments: dataset, shots.
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET SHOTS"
CFG=vit_b16_c2_ep50_batch4_4+4ctx_few_shot
GPA=()
case "$1" in
    stanford_cars | oxford_flowers | fgvc_aircraft | dtd | eurosat)
        GPA=(TRAINER.PROMPTSRC.GPA_MEAN 45 TRAINER.PROMPTSRC.GPA_STD 5) ;;
esac
for SEED in 1 2 3; do
    TRAIN PromptSRC $CFG "$1" $SEED "output/$1/PromptSRC/${CFG}_$2shots/seed$SEED" \
        DATASET.NUM_SHOTS "$2" "${GPA[@]}"
done
