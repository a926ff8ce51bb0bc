#!/bin/sh
# The published name of base2new_test.sh.
#   sh scripts/maple/base2new_test_maple.sh dtd 1
exec sh "$(dirname "$0")/base2new_test.sh" "$@"
