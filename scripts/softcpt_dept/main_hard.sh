#!/bin/sh
# SoftCPTHardDePT, SoftCPT's baselines on all classes of several tasks, seeds 1 to 3: one prompt for
# all (False False), for each task (False True) or for each class (True False).
#   sh scripts/softcpt_dept/main_hard.sh plant6 rn50_ep50 16 16 False True
# Arguments: dataset, config, shots, context tokens, CSC and TSC of TRAINER.MTCOOPH.
. "$(dirname "$0")/../common.sh"
usage 6 $# "DATASET CONFIG SHOTS N_CTX CSC TSC"
softcpt_hard SoftCPTHardDePT "$@"
