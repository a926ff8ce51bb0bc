#!/bin/sh
# SoftCPT, base-to-new, seeds 1 to 3: test the trained models on the new classes.
#   sh scripts/main_mtcoop_base2new_test.sh general10 rn50_ep50 16 0 False 4 False 16 False lin 1
# Arguments: dataset, config, shots, then CLASS_N_CTX, CLASS_CSC, TASK_N_CTX, TASK_CSC, N_CTX, CSC,
# PG_TYPE, PG_RATIO of TRAINER.MTCOOP.
. "$(dirname "$0")/common.sh"
softcpt MTCoOp new "$@"
