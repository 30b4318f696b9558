#!/bin/sh
# From a bare checkout to a built, running, changed, shipped and fetched image; leaves nothing behind.
set -eu
cd "$(dirname -- "$0")/.."
sh scripts/setup.sh
[ "$(id -u)" = 0 ] || { echo 'quickstart: containers need root: run this as root' >&2; exit 1; }
exec "$(sh scripts/node.sh)" scripts/quickstart/main.ts "$@"
