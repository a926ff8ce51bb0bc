#!/bin/sh
# The published name of base2new_train.sh.
#   sh scripts/maple/base2new_train_maple.sh dtd 1
exec sh "$(dirname "$0")/base2new_train.sh" "$@"
