#!/usr/bin/env bash
# The published name of base2new_train.sh.
#   bash scripts/maple/base2new_train_maple.sh dtd 1
exec bash "$(dirname "$0")/base2new_train.sh" "$@"
