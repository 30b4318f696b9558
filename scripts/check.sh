#!/bin/sh
# Type check, lint, format check and the architecture test: everything that needs neither root nor network.
# With --fix, what lint and format can mend is mended first.
set -eu
cd "$(dirname -- "$0")/.."
node=$(sh scripts/node.sh)
case $(uname -m) in aarch64) arch=arm64 ;; *) arch=x64 ;; esac
biome=node_modules/@biomejs/cli-linux-$arch/biome
[ "${1:-}" != --fix ] || "$biome" check --write --log-level=error . || :
failed=
step() {
  printf '== %s\n' "$1"
  shift
  "$@" || failed=yes
}
step 'types' "$node" node_modules/typescript/bin/tsc -p .
step 'lint and format' "$biome" check .
step 'architecture' "$node" --test --test-reporter=dot 'tests/architecture/*.test.ts'
[ -z "$failed" ] || { echo 'check: failed' >&2; exit 1; }
echo 'check: passed'
