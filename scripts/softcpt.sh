# Shared by SoftCPT's scripts, after common.sh: their eleven arguments, and the runs, seeds 1 to 3.
usage 11 $# "DATASET CONFIG SHOTS CLASS_N_CTX CLASS_CSC TASK_N_CTX TASK_CSC N_CTX CSC PG_TYPE \
PG_RATIO"
DATASET=$1 CFG=$2 SHOTS=$3
YAMLS=MTCoOp
SETTINGS=cnctx$4_ccsc$5_tnctx$6_tcsc$7_nctx$8_csc$9_type${10}_ratio${11}
OPTS=(
    TRAINER.MTCOOP.CLASS_N_CTX "$4" TRAINER.MTCOOP.CLASS_CSC "$5"
    TRAINER.MTCOOP.TASK_N_CTX "$6" TRAINER.MTCOOP.TASK_CSC "$7"
    TRAINER.MTCOOP.N_CTX "$8" TRAINER.MTCOOP.CSC "$9"
    TRAINER.MTCOOP.PG_TYPE "${10}" TRAINER.MTCOOP.PG_RATIO "${11}"
)

softcpt_all() { # softcpt_all TRAINER ROOT ENDING [KEY VALUE ...]: all classes
    local trainer=$1 run=$2/$DATASET/$1/${CFG}_${SHOTS}shots/${SETTINGS}_$3 seed
    shift 3
    for seed in 1 2 3; do
        TRAIN "$trainer" "$CFG" "$DATASET" "$seed" "$run/seed$seed" \
            "${OPTS[@]}" "$@" DATASET.NUM_SHOTS "$SHOTS"
    done
}

# Published folders end in "_loss", where the name of a loss was meant to follow.
softcpt_base2new() { # softcpt_base2new TRAINER base|new: train and test on base, or test on new
    local run=output/base2new/$DATASET/$1/${CFG}_${SHOTS}shots/${SETTINGS}_loss seed step model
    for seed in 1 2 3; do
        step=TRAIN model=()
        if [ "$2" = new ]; then step=EVAL model=("$run/base/seed$seed"); fi
        $step "$1" "$CFG" "$DATASET" "$seed" "$run/$2/seed$seed" "${model[@]}" "${OPTS[@]}" \
            DATASET.NUM_SHOTS "$SHOTS" DATASET.SUBSAMPLE_CLASSES "$2"
    done
}
