# Shared by the scripts of every method: `. .../common.sh`, then TRAIN or EVAL or a protocol.
#
# Environment: DATA    data root (default: the folder data/ of the repository, where there is one)
#              PYTHON  interpreter (default: python, else python3)
# Scripts may be called from any folder and write below the repository. A run whose result is there
# is left alone; one that was stopped goes on. A script ends with the exit code of train.py.

[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@" # published guides call some scripts with sh
set -euo pipefail

fail() {
    echo "error: $*" >&2
    exit 2
}

usage() { # usage NEEDED GIVEN "ARGUMENTS": refuse a call with too few arguments
    [ "$2" -ge "$1" ] || fail "$(basename "$0"): needs the arguments $3"
}

CALLER=$PWD
REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PYTHON=${PYTHON:-$(command -v python || command -v python3 || echo python)}
case "$PYTHON" in /*) ;; */*) PYTHON=$CALLER/$PYTHON ;; esac
cd "$REPO"

from_caller() { # from_caller PATH: a path that was given in the folder of the call
    case "$1" in
        /*) echo "$1" ;;
        *) if [ "$CALLER" = "$REPO" ]; then echo "$1"; else echo "$CALLER/$1"; fi ;;
    esac
}

data_root() {
    if [ -n "${DATA:-}" ]; then
        from_caller "$DATA"
    elif [ -d "$REPO/data" ]; then
        echo "$REPO/data"
    else
        fail "DATA is not set: export DATA=/path/to/your/datasets"
    fi
}

yaml_of() { # yaml_of TRAINER CFG: in folder YAMLS, else the trainer's own or the plain method's
    local folder=${YAMLS:-$1}
    [ -n "${YAMLS:-}" ] || [ -f "configs/trainers/$1/$2.yaml" ] || folder=${1%DePT}
    echo "configs/trainers/$folder/$2.yaml"
}

max_epoch() { # max_epoch TRAINER CFG: the epoch that a finished training has saved
    local yaml epoch
    yaml=$(yaml_of "$1" "$2")
    [ -f "$yaml" ] || fail "$yaml: no such file"
    epoch=$(sed -n 's/^ *MAX_EPOCH: *\([0-9][0-9]*\).*/\1/p' "$yaml" | head -n 1)
    [ -n "$epoch" ] || fail "$yaml: no MAX_EPOCH, so the epoch to test is not known"
    echo "$epoch"
}

has_result() { # has_result FOLDER END: result.json, or a final value after line END in log.txt
    [ -f "$1/result.json" ] && return 0
    [ -f "$1/log.txt" ] || return 1
    awk -v end="$2" '$0 ~ end { over = 1 }
        over && /\* (accuracy|overall_metric): / { found = 1 } END { exit !found }' "$1/log.txt"
}

has_test_of() { # has_test_of FOLDER MODEL: a result, and of the model that MODEL holds now
    has_result "$1" '^ *=> result *$' || return 1
    local file=$1/result.json log model
    [ -f "$file" ] || file=$1/log.txt
    log=$(ls -t "$1"/log.txt* 2>/dev/null | head -n 1)
    model=$([ -z "$log" ] || sed -n 's/^model_dir: *//p' "$log" | tail -n 1)
    [ -z "$model" ] || [ "$model" = "$2" ] || return 1
    [ -z "$(find "$2" -name 'model*.pth.tar*' -newer "$file" 2>/dev/null)" ]
}

call() { # call FOLDER WORDS: train.py on the data root; the earlier log of FOLDER makes room
    local root log=$1/log.txt
    root=$(data_root) || exit 2
    shift
    # parse_test_res.py reads log.txt alone, so that this run has to write it
    [ ! -f "$log" ] || mv "$log" "$log-$(date -r "$log" +%Y-%m-%d-%H-%M-%S)"
    "$PYTHON" train.py --root "$root" "$@"
}

TRAIN() { # TRAIN TRAINER CFG DATASET SEED FOLDER [KEY VALUE ...]
    local trainer=$1 yaml dataset=$3 seed=$4 out=$5
    yaml=$(yaml_of "$1" "$2")
    shift 5
    if has_result "$out" '^ *Finish(ed)? training *$'; then
        echo "Skip: the result is in $out"
        return
    fi
    call "$out" --seed "$seed" --trainer "$trainer" \
        --dataset-config-file "configs/datasets/$dataset.yaml" --config-file "$yaml" \
        --output-dir "$out" "$@"
}

EVAL() { # EVAL TRAINER CFG DATASET SEED FOLDER MODEL [KEY VALUE ...]: test the last epoch's model
    local trainer=$1 yaml dataset=$3 seed=$4 out=$5 model=$6 epoch
    epoch=$(max_epoch "$1" "$2") || exit 2
    yaml=$(yaml_of "$1" "$2")
    shift 6
    if has_test_of "$out" "$model"; then
        echo "Skip: the result is in $out"
        return
    fi
    call "$out" --seed "$seed" --trainer "$trainer" \
        --dataset-config-file "configs/datasets/$dataset.yaml" --config-file "$yaml" \
        --output-dir "$out" --model-dir "$model" --load-epoch "$epoch" --eval-only "$@"
}

ZEROSHOT() { # ZEROSHOT CFG DATASET FOLDER [KEY VALUE ...]: no training, no seed; CFG is in YAMLS
    local yaml=configs/trainers/$YAMLS/$1.yaml dataset=$2 out=$3
    shift 3
    if has_result "$out" '^ *=> result *$'; then
        echo "Skip: the result is in $out"
        return
    fi
    call "$out" --trainer ZeroshotCLIP --dataset-config-file "configs/datasets/$dataset.yaml" \
        --config-file "$yaml" --output-dir "$out" --eval-only "$@"
}

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

reproduce_base2new() { # reproduce_base2new TRAINER CFG DATASET SEED WEIGHTS
    local run=("${@:1:4}") model subset
    model=$(from_caller "$5")/base/seed$4
    for subset in base new; do
        EVAL "${run[@]}" "$(b2n "test_$subset" "${run[@]}")" "$model" \
            DATASET.NUM_SHOTS 16 DATASET.SUBSAMPLE_CLASSES "$subset"
    done
}

xd_train() { # xd_train TRAINER CFG DATASET SEED
    TRAIN "$@" "output/$3/$1/$2_16shots/seed$4" DATASET.NUM_SHOTS 16
}

xd_test() { # xd_test TRAINER CFG DATASET SEED: the model of xd_train on ImageNet
    EVAL "$@" "output/evaluation/$1/$2_16shots/$3/seed$4" "output/imagenet/$1/$2_16shots/seed$4"
}

reproduce_xd() { # reproduce_xd TRAINER CFG DATASET SEED WEIGHTS
    EVAL "${@:1:4}" "output/evaluation/$1/$2_16shots/$3/seed$4" "$(from_caller "$5")/seed$4" \
        DATASET.NUM_SHOTS 16
}
