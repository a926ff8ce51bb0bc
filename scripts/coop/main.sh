#!/usr/bin/env bash
# CoOp, few-shot on all classes, seeds 1 to 3.
#   bash scripts/coop/main.sh caltech101 rn50_ep50 end 16 1 False
# Arguments: dataset, config, position of the class name (end, middle, front), context tokens,
# shots, class-specific contexts (True, False).
. "$(dirname "$0")/../common.sh"
usage 6 $# "DATASET CONFIG POSITION NCTX SHOTS CSC"
OUT=output/$1/CoOp/$2_$5shots/nctx$4_csc$6_ctp$3
for SEED in 1 2 3; do
    TRAIN CoOp "$2" "$1" $SEED "$OUT/seed$SEED" TRAINER.COOP.N_CTX "$4" TRAINER.COOP.CSC "$6" \
        TRAINER.COOP.CLASS_TOKEN_POSITION "$3" DATASET.NUM_SHOTS "$5"
done
