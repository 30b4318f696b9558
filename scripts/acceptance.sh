#!/bin/sh
# Sets up what is missing, the clients among it, and runs the acceptance tests: docs/acceptance.md.
set -eu
cd "$(dirname -- "$0")/.."
sh scripts/setup.sh --acceptance
exec "$(sh scripts/node.sh)" scripts/test/main.ts acceptance "$@"
