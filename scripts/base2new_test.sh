#!/bin/sh
# KgCoOp, base-to-new, 16 shots, seeds 1 to 3: test the trained models on the new classes.
#   sh scripts/base2new_test.sh dtd 8.0
# Arguments: dataset, weight of the training, written the same way.
. "$(dirname "$0")/common.sh"
usage 2 $# "DATASET WEIGHT"
CFG=vit_b16_ep100_ctxv1
RUN=$1/shots_16_$2/KgCoOp/$CFG
for SEED in 1 2 3; do
    EVAL KgCoOp $CFG "$1" $SEED "output/base2new/test_new/$RUN/seed$SEED" \
        "output/base2new/train_base/$RUN/seed$SEED" TRAINER.COOP.N_CTX 4 TRAINER.COOP.CSC False \
        TRAINER.COOP.CLASS_TOKEN_POSITION end DATASET.NUM_SHOTS 16 DATASET.SUBSAMPLE_CLASSES new
done
