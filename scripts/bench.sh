#!/bin/sh
# Compares berthd with dockerd and podman in one run and writes bench/RESULTS.md.
#   npm run bench                         every case (about 40 minutes on two cores)
#   npm run bench -- --quick --only run-bridge,commit   some cases or figures, fewer repetitions; --list names them
set -eu
cd "$(dirname -- "$0")/.."
sh scripts/setup.sh --bench
node=$(sh scripts/node.sh)
case " $* " in *' --list '* | *' --help '*) exec "$node" bench/main.ts "$@" ;; esac
[ "$(id -u)" = 0 ] || { echo 'bench: containers need root: run this as root' >&2; exit 1; }
# The images are made with the network; then everything runs where no bridge, rule, mount or process of it can outlive it
# or meet those of another engine: in network, mount and process namespaces of its own, where tini reaps orphans.
"$node" bench/make-images.ts
exec unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private \
  sh -c 'ip link set lo up; exec /usr/bin/tini-static -- "$0" bench/main.ts "$@"' "$node" "$@"
