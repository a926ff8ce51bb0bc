#!/bin/sh
# Zero-shot CLIP, under the name that CoOp's repository has for it.
#   sh scripts/coop/zeroshot.sh caltech101 rn50
# Arguments: dataset, config: rn50, rn101, vit_b32 or vit_b16.
exec sh "$(dirname "$0")/../zsclip/zeroshot.sh" "$@"
