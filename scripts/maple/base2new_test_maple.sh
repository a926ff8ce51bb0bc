#!/usr/bin/env bash
# The published name of base2new_test.sh.
#   bash scripts/maple/base2new_test_maple.sh dtd 1
exec bash "$(dirname "$0")/base2new_test.sh" "$@"
