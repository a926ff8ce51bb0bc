#!/bin/sh
# KgCoOp, base-to-new, 16 shots, seeds 1 to 3: train on the base classes and test them.
#   sh scripts/base2new_train.sh dtd 8.0
# Arguments: dataset, weight of the distance to hand-written prompts (published: 8.0; its text is a
# part of the folder's name).
. "$(dirname "$0")/common.sh"
usage 2 $# "DATASET WEIGHT"
CFG=vit_b16_ep100_ctxv1
for SEED in 1 2 3; do
    TRAIN KgCoOp $CFG "$1" $SEED "output/base2new/train_base/$1/shots_16_$2/KgCoOp/$CFG/seed$SEED" \
        TRAINER.COOP.N_CTX 4 TRAINER.COOP.CSC False TRAINER.COOP.W "$2" \
        TRAINER.COOP.CLASS_TOKEN_POSITION end DATASET.NUM_SHOTS 16 DATASET.SUBSAMPLE_CLASSES base
done
