#!/bin/sh
# CoOp, few-shot on all classes, seeds 1 to 3.
#   sh scripts/coop/main.sh caltech101 rn50_ep50 end 16 1 False
# Arguments: dataset, config, position of the class name (end, middle, front), context tokens,
# shots, class-specific contexts (True, False).
. "$(dirname "$0")/../common.sh"
usage 6 $# "DATASET CONFIG POSITION NCTX SHOTS CSC"
coop_main CoOp "$@"
