# Shared by the scripts of every method: `source .../common.sh`, then TRAIN or EVAL.
#
# Environment: DATA    data root (default: the folder data/ of the repository, where there is one)
#              PYTHON  interpreter (default: python, else python3)
# A run whose result is there is left alone; one that was stopped goes on. The script ends with the
# exit code of train.py.

set -euo pipefail

fail() {
    echo "error: $*" >&2
    exit 2
}

usage() { # usage NEEDED GIVEN "ARGUMENTS": refuse a call with too few arguments
    [ "$2" -ge "$1" ] || fail "$(basename "$0"): needs the arguments $3"
}

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
case "${DATA:-}" in
    "") DATA=$REPO/data
        [ -d "$DATA" ] || fail "DATA is not set: export DATA=/path/to/your/datasets" ;;
    /*) ;;
    *) DATA=$PWD/$DATA ;;
esac
PYTHON=${PYTHON:-$(command -v python || command -v python3 || echo python)}
cd "$REPO"

yaml_of() { # yaml_of TRAINER CFG: the trainer's own file, else that of the method below its DePT
    local file=configs/trainers/$1/$2.yaml plain=configs/trainers/${1%DePT}/$2.yaml
    if [ -f "$file" ]; then echo "$file"; else echo "$plain"; fi
}

max_epoch() { # max_epoch YAML: the epoch that a finished training has saved
    local epoch
    epoch=$(sed -n 's/^ *MAX_EPOCH: *\([0-9][0-9]*\).*/\1/p' "$1" | head -n 1)
    [ -n "$epoch" ] || fail "$1: no MAX_EPOCH, so the epoch to test is not known"
    echo "$epoch"
}

b2n() { # b2n STEP DATASET TRAINER CFG SEED: output folder of the base-to-new protocol
    echo "output/base2new/$1/$2/shots_16/$3/$4/seed$5"
}

has_result() { # has_result FOLDER END: result.json, or an accuracy after the line END in log.txt
    [ -f "$1/result.json" ] && return 0
    [ -f "$1/log.txt" ] || return 1
    awk -v end="$2" '$0 ~ end { over = 1 } over && /\* accuracy: / { found = 1 } END { exit !found }' \
        "$1/log.txt"
}

TRAIN() { # TRAIN TRAINER CFG DATASET SEED FOLDER [KEY VALUE ...]
    local trainer=$1 yaml dataset=$3 seed=$4 out=$5
    yaml=$(yaml_of "$1" "$2")
    shift 5
    if has_result "$out" '^ *Finish(ed)? training *$'; then
        echo "Skip: the result is in $out"
        return
    fi
    call --seed "$seed" --trainer "$trainer" --dataset-config-file "configs/datasets/$dataset.yaml" \
        --config-file "$yaml" --output-dir "$out" "$@"
}

EVAL() { # EVAL TRAINER CFG DATASET SEED FOLDER MODEL EPOCH [KEY VALUE ...]
    local trainer=$1 yaml dataset=$3 seed=$4 out=$5 model=$6 epoch=$7
    yaml=$(yaml_of "$1" "$2")
    shift 7
    if has_result "$out" '^ *=> result *$'; then
        echo "Skip: the result is in $out"
        return
    fi
    call --seed "$seed" --trainer "$trainer" --dataset-config-file "configs/datasets/$dataset.yaml" \
        --config-file "$yaml" --output-dir "$out" --model-dir "$model" --load-epoch "$epoch" \
        --eval-only "$@"
}

call() {
    "$PYTHON" train.py --root "$DATA" "$@"
}

base2new_train() { # base2new_train TRAINER CFG DATASET SEED
    TRAIN "$1" "$2" "$3" "$4" "$(b2n train_base "$3" "$1" "$2" "$4")" \
        DATASET.NUM_SHOTS 16 DATASET.SUBSAMPLE_CLASSES base
}

base2new_test() { # base2new_test TRAINER CFG DATASET SEED
    local epoch
    epoch=$(max_epoch "$(yaml_of "$1" "$2")")
    EVAL "$1" "$2" "$3" "$4" "$(b2n test_new "$3" "$1" "$2" "$4")" \
        "$(b2n train_base "$3" "$1" "$2" "$4")" "$epoch" \
        DATASET.NUM_SHOTS 16 DATASET.SUBSAMPLE_CLASSES new
}
