#!/usr/bin/env bash
# SoftCPT's baselines on all classes of several tasks, seeds 1 to 3: one prompt for all (False
# False), for each task (False True) or for each class (True False).
#   bash scripts/main_mtcoop_hard.sh general10 rn50_ep50 16 16 False True
# Arguments: dataset, config, shots, context tokens, CSC and TSC of TRAINER.MTCOOPH.
. "$(dirname "$0")/common.sh"
usage 6 $# "DATASET CONFIG SHOTS N_CTX CSC TSC"
for SEED in 1 2 3; do
    TRAIN MTCoOpHard "$2" "$1" $SEED \
        "output/$1/MTCoOpHard/$2_$3shots/nctx$4_csc$5_tsc$6/seed$SEED" \
        TRAINER.MTCOOPH.N_CTX "$4" TRAINER.MTCOOPH.CSC "$5" TRAINER.MTCOOPH.TSC "$6" \
        DATASET.NUM_SHOTS "$3"
done
