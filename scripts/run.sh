#!/bin/sh
# KgCoOp, base-to-new over ten datasets with the published weight 8.0: all trainings, then all
# tests.
#   sh scripts/run.sh
. "$(dirname "$0")/common.sh"
DATA=$(data_root)
export DATA
for STEP in train test; do
    for DATASET in ucf101 sun397 eurosat oxford_pets food101 oxford_flowers stanford_cars dtd \
        caltech101 fgvc_aircraft; do
        sh "scripts/base2new_$STEP.sh" $DATASET 8.0
    done
done
