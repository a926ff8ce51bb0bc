#!/bin/sh
# SoftCPT on all classes with a share of the absent classes in each step, seeds 1 to 3; the example
# is CATA.
#   sh scripts/main_mtcoop_cls_sample.sh general10 rn50_ep50 16 4 False 4 False 16 True lin 1 0.1
# Arguments: dataset, config, shots, then CLASS_N_CTX, CLASS_CSC, TASK_N_CTX, TASK_CSC, N_CTX, CSC,
# PG_TYPE, PG_RATIO of TRAINER.MTCOOP, CLS_SAMPLE_RATE.
. "$(dirname "$0")/common.sh"
softcpt MTCoOp sampled "$@"
