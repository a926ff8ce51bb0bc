#!/usr/bin/env bash
# CoOp, trained on ImageNet with 16 shots and 16 context tokens: test on another dataset, seeds 1 to
# 3.
#   bash scripts/coop/eval.sh imagenetv2 rn50_ep50
# Arguments: dataset, config that the training had.
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET CONFIG"
RUN=CoOp/$2_16shots/nctx16_cscFalse_ctpend
for SEED in 1 2 3; do
    EVAL CoOp "$2" "$1" $SEED "output/evaluation/$RUN/$1/seed$SEED" \
        "output/imagenet/$RUN/seed$SEED" \
        TRAINER.COOP.N_CTX 16 TRAINER.COOP.CSC False TRAINER.COOP.CLASS_TOKEN_POSITION end
done
