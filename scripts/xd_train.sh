#!/bin/sh
# KgCoOp, few-shot on all classes of the 11 datasets, 4 shots, seeds 1 to 3 (despite the published
# name).
#   sh scripts/xd_train.sh
. "$(dirname "$0")/common.sh"
CFG=vit_b16_ep100_ctxv1
for DATASET in dtd eurosat fgvc_aircraft food101 oxford_flowers oxford_pets stanford_cars ucf101 \
    caltech101 sun397 imagenet; do
    for SEED in 1 2 3; do
        TRAIN KgCoOp $CFG $DATASET $SEED \
            "output_1120_xd/base2new/train_base/$DATASET/shots_4_8.0/KgCoOp/$CFG/seed$SEED" \
            TRAINER.COOP.N_CTX 4 TRAINER.COOP.CSC False TRAINER.COOP.W 8.0 \
            TRAINER.COOP.CLASS_TOKEN_POSITION end DATASET.NUM_SHOTS 4
    done
done
