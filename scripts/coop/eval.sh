#!/bin/sh
# CoOp, trained on ImageNet with 16 shots and 16 context tokens: test on another dataset, seeds 1
# to 3.
#   sh scripts/coop/eval.sh imagenetv2 rn50_ep50
# Arguments: dataset, config that the training had.
. "$(dirname "$0")/../common.sh"
usage 2 $# "DATASET CONFIG"
coop_eval CoOp "$@"
