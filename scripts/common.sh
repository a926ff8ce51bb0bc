# shellcheck shell=sh
# Read by every script, `. .../common.sh`: then TRAIN or EVAL, or a protocol that calls them.
#
# Data root, the first of: DATA, then YOUR_DATA_PATH of the environment; either of the two in
# scripts/set_env.sh, a file of yours that is read where it is there; the folder data/ of the
# repository. PYTHON is the interpreter (default: python, else python3). A relative path is the
# caller's, in scripts/set_env.sh the repository's.
# Scripts may be called from any folder and write below the repository. A run whose result is there
# is left alone; one that was stopped goes on. A script ends with the exit code of train.py.
# POSIX sh. A function in round brackets keeps its variables to itself; `exit` ends it alone.

CALLER=$(pwd)
REPO=$(CDPATH='' cd -P -- "$(dirname "$0")" && pwd)
while [ ! -f "$REPO/scripts/common.sh" ]; do REPO=$(dirname "$REPO"); done

GIVEN=${DATA:-${YOUR_DATA_PATH:-}}
case "${PYTHON:-}" in /*) ;; */*) PYTHON=$CALLER/$PYTHON ;; esac
# shellcheck source=/dev/null
[ ! -f "$REPO/scripts/set_env.sh" ] || . "$REPO/scripts/set_env.sh"

set -eu
cd "$REPO"
PYTHON=${PYTHON:-$(command -v python || command -v python3 || echo python)}
case "$PYTHON" in /*) ;; */*) PYTHON=$REPO/$PYTHON ;; esac
export PYTHON

fail() {
    echo "error: $*" >&2
    exit 2
}

usage() { # usage NEEDED GIVEN "ARGUMENTS": refuse a call with too few arguments
    [ "$2" -ge "$1" ] || fail "$(basename "$0"): needs the arguments $3"
}

from_caller() { # from_caller PATH: a path that was given in the folder of the call
    case "$1" in
        /*) echo "$1" ;;
        *) if [ "$CALLER" = "$REPO" ]; then echo "$1"; else echo "$CALLER/$1"; fi ;;
    esac
}

data_root() ( # absolute: a relative one is the caller's, or the repository's if set_env.sh has it
    base=$CALLER root=$GIVEN
    [ -n "$root" ] || base=$REPO root=${DATA:-${YOUR_DATA_PATH:-}}
    [ -n "$root" ] || [ ! -d data ] || root=data
    case "$root" in
        '') fail "no data root: export DATA=/path/to/your/datasets or set it in scripts/set_env.sh" ;;
        /*) echo "$root" ;;
        *) echo "$base/$root" ;;
    esac
)

yaml_of() ( # yaml_of TRAINER CFG: in folder YAMLS, else the trainer's own or the plain method's
    folder=${YAMLS:-$1}
    [ -n "${YAMLS:-}" ] || [ -f "configs/trainers/$1/$2.yaml" ] || folder=${1%DePT}
    echo "configs/trainers/$folder/$2.yaml"
)

max_epoch() ( # max_epoch YAML: the epoch that a finished training has saved
    [ -f "$1" ] || fail "$1: no such file"
    epoch=$(sed -n 's/^ *MAX_EPOCH: *\([0-9][0-9]*\).*/\1/p' "$1" | head -n 1)
    [ -n "$epoch" ] || fail "$1: no MAX_EPOCH, so the epoch to test is not known"
    echo "$epoch"
)

has_result() ( # has_result FOLDER END: result.json, or a final value after line END in log.txt
    if [ -f "$1/result.json" ]; then
        tail -n 1 "$1/result.json" | grep -q '}$' # one that was cut short is none
        exit
    fi
    [ -f "$1/log.txt" ] || exit 1
    awk -v end="$2" '$0 ~ end { over = 1 }
        over && /\* (accuracy|overall_metric): / { found = 1 } END { exit !found }' "$1/log.txt"
)

has_test_of() ( # has_test_of FOLDER MODEL: a result, and of the model that MODEL holds now
    has_result "$1" '^ *=> result *$' || exit 1
    file=$1/result.json
    [ -f "$file" ] || file=$1/log.txt
    # shellcheck disable=SC2012 # the newest; their names hold no blank
    log=$(ls -t "$1"/log.txt* 2>/dev/null | head -n 1)
    model=$([ -z "$log" ] || sed -n 's/^model_dir: *//p' "$log" | tail -n 1)
    [ -z "$model" ] || [ "$model" = "$2" ] || exit 1
    [ -z "$(find "$2" -name 'model*.pth.tar*' -newer "$file" 2>/dev/null)" ]
)

call() ( # call FOLDER WORDS: train.py on the data root; the earlier log of FOLDER makes room
    log=$1/log.txt
    root=$(data_root)
    shift
    # parse_test_res.py reads log.txt alone, so that this run has to write it
    [ ! -f "$log" ] || mv "$log" "$log-$(date -r "$log" +%Y-%m-%d-%H-%M-%S)"
    "$PYTHON" train.py --root "$root" "$@"
)

TRAIN() ( # TRAIN TRAINER CFG DATASET SEED FOLDER [KEY VALUE ...]
    trainer=$1 dataset=$3 seed=$4 out=$5
    yaml=$(yaml_of "$1" "$2")
    shift 5
    if has_result "$out" '^ *Finish(ed)? training *$'; then
        echo "Skip: the result is in $out"
        exit
    fi
    call "$out" --seed "$seed" --trainer "$trainer" \
        --dataset-config-file "configs/datasets/$dataset.yaml" --config-file "$yaml" \
        --output-dir "$out" "$@"
)

EVAL() ( # EVAL TRAINER CFG DATASET SEED FOLDER MODEL [KEY VALUE ...]: test the last epoch's model
    trainer=$1 dataset=$3 seed=$4 out=$5 model=$6
    yaml=$(yaml_of "$1" "$2")
    epoch=$(max_epoch "$yaml")
    shift 6
    if has_test_of "$out" "$model"; then
        echo "Skip: the result is in $out"
        exit
    fi
    call "$out" --seed "$seed" --trainer "$trainer" \
        --dataset-config-file "configs/datasets/$dataset.yaml" --config-file "$yaml" \
        --output-dir "$out" --model-dir "$model" --load-epoch "$epoch" --eval-only "$@"
)

ZEROSHOT() ( # ZEROSHOT YAMLS CFG DATASET FOLDER [KEY VALUE ...]: no training, no seed
    yaml=configs/trainers/$1/$2.yaml dataset=$3 out=$4
    shift 4
    if has_result "$out" '^ *=> result *$'; then
        echo "Skip: the result is in $out"
        exit
    fi
    call "$out" --trainer ZeroshotCLIP --dataset-config-file "configs/datasets/$dataset.yaml" \
        --config-file "$yaml" --output-dir "$out" --eval-only "$@"
)

# Protocols: 16 shots; base-to-new, and all of ImageNet's classes transferred to other datasets.

b2n() { # b2n STEP TRAINER CFG DATASET SEED: output folder of base-to-new
    echo "output/base2new/$1/$4/shots_16/$2/$3/seed$5"
}

base2new_train() { # base2new_train TRAINER CFG DATASET SEED
    TRAIN "$@" "$(b2n train_base "$@")" DATASET.NUM_SHOTS 16 DATASET.SUBSAMPLE_CLASSES base
}

base2new_test() { # base2new_test TRAINER CFG DATASET SEED
    EVAL "$@" "$(b2n test_new "$@")" "$(b2n train_base "$@")" \
        DATASET.NUM_SHOTS 16 DATASET.SUBSAMPLE_CLASSES new
}

reproduce_base2new() ( # reproduce_base2new TRAINER CFG DATASET SEED WEIGHTS
    model=$(from_caller "$5")/base/seed$4
    for subset in base new; do
        EVAL "$1" "$2" "$3" "$4" "$(b2n "test_$subset" "$1" "$2" "$3" "$4")" "$model" \
            DATASET.NUM_SHOTS 16 DATASET.SUBSAMPLE_CLASSES "$subset"
    done
)

xd_train() { # xd_train TRAINER CFG DATASET SEED
    TRAIN "$@" "output/$3/$1/$2_16shots/seed$4" DATASET.NUM_SHOTS 16
}

xd_test() { # xd_test TRAINER CFG DATASET SEED: the model of xd_train on ImageNet
    EVAL "$@" "output/evaluation/$1/$2_16shots/$3/seed$4" "output/imagenet/$1/$2_16shots/seed$4"
}

reproduce_xd() { # reproduce_xd TRAINER CFG DATASET SEED WEIGHTS
    EVAL "$1" "$2" "$3" "$4" "output/evaluation/$1/$2_16shots/$3/seed$4" \
        "$(from_caller "$5")/seed$4" DATASET.NUM_SHOTS 16
}

# Methods whose scripts loop over seeds 1 to 3 and have a DePT variant.

coop_main() ( # coop_main TRAINER DATASET CONFIG POSITION NCTX SHOTS CSC
    for seed in 1 2 3; do
        TRAIN "$1" "$3" "$2" $seed "output/$2/$1/$3_$6shots/nctx$5_csc$7_ctp$4/seed$seed" \
            TRAINER.COOP.N_CTX "$5" TRAINER.COOP.CSC "$7" TRAINER.COOP.CLASS_TOKEN_POSITION "$4" \
            DATASET.NUM_SHOTS "$6"
    done
)

coop_eval() ( # coop_eval TRAINER DATASET CONFIG
    run=$1/$3_16shots/nctx16_cscFalse_ctpend
    for seed in 1 2 3; do
        EVAL "$1" "$3" "$2" $seed "output/evaluation/$run/$2/seed$seed" \
            "output/imagenet/$run/seed$seed" \
            TRAINER.COOP.N_CTX 16 TRAINER.COOP.CSC False TRAINER.COOP.CLASS_TOKEN_POSITION end
    done
)

promptsrc_few_shot() ( # promptsrc_few_shot TRAINER CFG DATASET SHOTS
    trainer=$1 cfg=$2 dataset=$3 shots=$4
    set -- DATASET.NUM_SHOTS "$shots"
    case "$dataset" in # published: another averaging over epochs
        stanford_cars | oxford_flowers | fgvc_aircraft | dtd | eurosat)
            set -- "$@" TRAINER.PROMPTSRC.GPA_MEAN 45 TRAINER.PROMPTSRC.GPA_STD 5 ;;
    esac
    for seed in 1 2 3; do
        TRAIN "$trainer" "$cfg" "$dataset" $seed \
            "output/$dataset/$trainer/${cfg}_${shots}shots/seed$seed" "$@"
    done
)

# Published folders end in "_loss", where the name of a loss was meant to follow, and those with
# class sampling lie below outputd/; such runs below output/ count as well.
softcpt() ( # softcpt TRAINER all|sampled|base|new, then the script's arguments
    trainer=$1 part=$2
    shift 2
    needed=11 wanted="DATASET CONFIG SHOTS CLASS_N_CTX CLASS_CSC TASK_N_CTX TASK_CSC N_CTX CSC"
    wanted="$wanted PG_TYPE PG_RATIO"
    [ "$part" != sampled ] || needed=12 wanted="$wanted CLS_SAMPLE_RATE"
    usage $needed $# "$wanted"
    dataset=$1 cfg=$2 shots=$3 rate=${12:-}
    run=$1/$trainer/$2_$3shots/cnctx$4_ccsc$5_tnctx$6_tcsc$7_nctx$8_csc$9_type${10}_ratio${11}
    YAMLS=MTCoOp
    set -- TRAINER.MTCOOP.CLASS_N_CTX "$4" TRAINER.MTCOOP.CLASS_CSC "$5" \
        TRAINER.MTCOOP.TASK_N_CTX "$6" TRAINER.MTCOOP.TASK_CSC "$7" \
        TRAINER.MTCOOP.N_CTX "$8" TRAINER.MTCOOP.CSC "$9" \
        TRAINER.MTCOOP.PG_TYPE "${10}" TRAINER.MTCOOP.PG_RATIO "${11}"
    [ "$part" != sampled ] || set -- "$@" TRAINER.MTCOOP.CLS_SAMPLE_RATE "$rate"
    set -- "$@" DATASET.NUM_SHOTS "$shots"
    case "$part" in
        all) run=output/${run}_loss ;;
        sampled)
            run=${run}_csr$rate
            if [ -d "output/$run" ]; then run=output/$run; else run=outputd/$run; fi ;;
        *)
            run=output/base2new/${run}_loss
            set -- "$@" DATASET.SUBSAMPLE_CLASSES "$part" ;;
    esac
    for seed in 1 2 3; do
        case "$part" in
            new) EVAL "$trainer" "$cfg" "$dataset" $seed "$run/new/seed$seed" \
                "$run/base/seed$seed" "$@" ;;
            base) TRAIN "$trainer" "$cfg" "$dataset" $seed "$run/base/seed$seed" "$@" ;;
            *) TRAIN "$trainer" "$cfg" "$dataset" $seed "$run/seed$seed" "$@" ;;
        esac
    done
)

softcpt_hard() ( # softcpt_hard TRAINER DATASET CONFIG SHOTS N_CTX CSC TSC
    YAMLS=MTCoOpHard
    for seed in 1 2 3; do
        TRAIN "$1" "$3" "$2" $seed "output/$2/$1/$3_$4shots/nctx$5_csc$6_tsc$7/seed$seed" \
            TRAINER.MTCOOPH.N_CTX "$5" TRAINER.MTCOOPH.CSC "$6" TRAINER.MTCOOPH.TSC "$7" \
            DATASET.NUM_SHOTS "$4"
    done
)
