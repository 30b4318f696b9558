#!/bin/sh
# Sets up what is missing and runs every test. `npm test -- unit linux` runs some stages, `-- --only PATTERN` some files.
set -eu
cd "$(dirname -- "$0")/.."
sh scripts/setup.sh --test
exec "$(sh scripts/node.sh)" scripts/test/main.ts "$@"
