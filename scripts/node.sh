#!/bin/sh
# Prints the path of a Node that can run the sources (24 or newer): BERTH_NODE, the one the set-up brought, or PATH's.
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
case $(uname -m) in aarch64) arch=arm64 ;; *) arch=x64 ;; esac
for node in "${BERTH_NODE:-}" "$root/node_modules/node-linux-$arch/bin/node" "$(command -v node || :)"; do
  [ -n "$node" ] && [ -x "$node" ] || continue
  case $("$node" --version 2>/dev/null) in
    v2[4-9].* | v[3-9][0-9].*) echo "$node"; exit 0 ;;
  esac
done
echo "no Node 24 or newer: run 'npm run setup'" >&2
exit 1
