#!/bin/sh
# The one place that installs anything. Asks nothing, says what it installs and why, and may be run any number of times.
#
#   setup.sh           what running Berth needs
#   setup.sh --test    and what its tests compare it with (nothing that starts a service is installed: those are unpacked
#                      below .berth/tools)
#   setup.sh --bench   and what the benchmark compares it with
#   setup.sh --acceptance   what the tests need, and the clients of the acceptance tests
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
tools=$root/.berth/tools
level=run
for argument in "$@"; do
  case $argument in
    --test) [ "$level" = bench ] || level=test ;;
    --bench) level=bench ;;
    --acceptance) level=acceptance ;;
    *) echo "usage: setup.sh [--test | --bench | --acceptance]" >&2; exit 2 ;;
  esac
done
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# ---- Debian packages: "package|program, file, library or Python module that shows it is there|what it is for", one a line

run_packages='libatomic1|lib:libatomic.so.1|Node 26 is linked with it
conmon|conmon|holds the terminal, log and exit status of a container
crun|crun|starts containers
runc|runc|starts containers where crun can not
nftables|nft|published ports and NAT
iproute2|ip|bridges and network namespaces
busybox-static|/bin/busybox|base image of the examples
tini|/usr/bin/tini-static|init process for docker run --init
isal|igzip|decompresses layers several times faster
xz-utils|xz|xz archives in ADD
bzip2|bzip2|bzip2 archives in ADD
procps|ps|docker top
ca-certificates|/etc/ssl/certs/ca-certificates.crt|registries over HTTPS
e2fsprogs|mkfs.ext4|scratch file systems of tests and benchmark'

test_packages='skopeo|skopeo|tests: a second opinion on images and registries
umoci|umoci|tests: a second opinion on image layouts
debootstrap|debootstrap|tests: a Debian image without an image registry
openssl|openssl|tests: certificates for TLS
python3|python3|tests: sockets that Node has not, docker-py
python3-venv|py:ensurepip|tests: a place for docker-py'

missing_of() {
  printf '%s\n' "$1" | while IFS='|' read -r package probe why; do
    case $probe in
      lib:*) ldconfig -p | grep -q "${probe#lib:}" || printf '%s|%s\n' "$package" "$why" ;;
      py:*) python3 -c "import ${probe#py:}" 2>/dev/null || printf '%s|%s\n' "$package" "$why" ;;
      /*) [ -e "$probe" ] || printf '%s|%s\n' "$package" "$why" ;;
      *) have "$probe" || printf '%s|%s\n' "$package" "$why" ;;
    esac
  done
}

apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o APT::Sandbox::User=root "$@" </dev/null
}

updated=
update_lists() {
  [ -z "$updated" ] || return 0
  log=$(mktemp)
  # A foreign source that does not answer is no reason to stop: what is needed is in Debian's own.
  apt update >"$log" 2>&1 || { tail -n 5 "$log" >&2; say "apt-get update had errors, going on with the lists there are"; }
  rm -f "$log"
  updated=yes
}

install_packages() {
  missing=$(missing_of "$1")
  [ -n "$missing" ] || return 0
  say "installing Debian packages:"
  printf '%s\n' "$missing" | while IFS='|' read -r package why; do printf 'setup:   %-16s %s\n' "$package" "$why"; done
  have apt-get || fail "there is no apt-get here: install these with your own package manager and run this again"
  [ "$(id -u)" = 0 ] || fail "run this as root to install them"
  update_lists
  log=$(mktemp)
  # shellcheck disable=SC2046 # one word a package
  apt install -y --no-install-recommends $(printf '%s\n' "$missing" | cut -d'|' -f1) >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    rm -f "$log"
    fail "apt-get install failed"
  }
  rm -f "$log"
}

# ---- Peers that would start services if they were installed: unpacked, never configured, never started by Debian

test_peers='docker.io containerd docker-registry buildah iptables libdevmapper1.02.1 libip4tc2 libip6tc2 libxtables12 libnetfilter-conntrack3 libnfnetlink0 libmnl0 libnftnl11'
# Debian's docker-compose is Python: it and its modules run from where they are unpacked, by Debian's Python.
acceptance_peers='docker-compose python3-docker python3-dockerpty python3-docopt python3-dotenv python3-jsonschema python3-requests python3-texttable python3-websocket python3-yaml python3-urllib3 python3-certifi python3-chardet python3-idna python3-six python3-attr python3-pyrsistent python3-cached-property python3-distro python3-distutils python3-lib2to3 python3-pkg-resources libyaml-0-2'
bench_peers='podman netavark aardvark-dns golang-github-containers-common golang-github-containers-image libgpgme11 libassuan0 libgpg-error0 libseccomp2 libsubid4'

unpack_peers() { # level, packages
  [ ! -e "$tools/unpacked-$1" ] || [ "$(cat "$tools/unpacked-$1")" != "$2" ] || return 0
  have apt-get && have dpkg || { say "no apt-get or dpkg: tests and benchmark against $1 peers will be skipped"; return 0; }
  say "unpacking peers for comparison into .berth/tools (not installed, no service): $2"
  update_lists
  mkdir -p "$tools/deb" "$tools/root"
  for package in $2; do
    (cd "$tools/deb" && rm -f "$package"_*.deb && apt download "$package" >/dev/null 2>&1 && dpkg -x "$package"_*.deb "$tools/root") ||
      say "  could not get $package: what needs it will be skipped"
  done
  rm -rf "$tools/deb"
  printf '%s' "$2" >"$tools/unpacked-$1"
  write_tools
}

# Programs out of place need their libraries and their helpers on their paths: a small launcher for each.
write_tools() {
  mkdir -p "$tools/bin" "$tools/sbin"
  libraries=$tools/root/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo "$(uname -m)-linux-gnu")
  printf 'BERTH_TOOL_LIBRARIES=%s\n' "$libraries" >"$tools/env.new"
  for name in iptables ip6tables iptables-save iptables-restore ip6tables-save ip6tables-restore; do
    launcher "$tools/sbin/$name" "$tools/root/usr/sbin/xtables-nft-multi" "$name"
  done
  for program in usr/bin/docker usr/sbin/dockerd usr/bin/containerd usr/bin/docker-registry usr/bin/buildah usr/bin/podman; do
    [ -x "$tools/root/$program" ] || continue
    name=${program##*/}
    launcher "$tools/bin/$name" "$tools/root/$program" ''
    printf 'BERTH_%s=%s\n' "$(printf %s "$name" | tr 'a-z-' 'A-Z_')" "$tools/bin/$name" >>"$tools/env.new"
  done
  if [ -e "$tools/root/usr/bin/docker-compose" ] && [ -x /usr/bin/python3 ]; then
    launcher "$tools/bin/docker-compose" "env PYTHONPATH=$tools/root/usr/lib/python3/dist-packages /usr/bin/python3" "$tools/root/usr/bin/docker-compose"
    printf 'BERTH_DOCKER_COMPOSE=%s\n' "$tools/bin/docker-compose" >>"$tools/env.new"
  fi
  [ ! -x "$tools/bin/compose-v2" ] || printf 'BERTH_COMPOSE_V2=%s\n' "$tools/bin/compose-v2" >>"$tools/env.new"
  [ ! -x "$tools/bin/crane" ] || printf 'BERTH_CRANE=%s\n' "$tools/bin/crane" >>"$tools/env.new"
  [ ! -e "$tools/python/pinned" ] || printf 'BERTH_DOCKER_PY=%s\n' "$tools/python/bin/python3" >>"$tools/env.new"
  mv "$tools/env.new" "$tools/env"
}

launcher() { # path, program, first argument
  cat >"$1" <<LAUNCHER
#!/bin/sh
PATH=$tools/sbin:$tools/root/usr/bin:$tools/root/usr/sbin:\$PATH
LD_LIBRARY_PATH=$libraries\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
XTABLES_LIBDIR=$libraries/xtables
export PATH LD_LIBRARY_PATH XTABLES_LIBDIR
exec $2 $3 "\$@"
LAUNCHER
  chmod 755 "$1"
}

# ---- Clients that come from Go's and Python's own package indexes: pinned, below .berth/tools, skipped without Go or Python

crane_version=v0.22.1
docker_py_version=7.2.0

build_crane() {
  [ ! -x "$tools/bin/crane" ] || [ "$(cat "$tools/crane-version" 2>/dev/null)" != "$crane_version" ] || return 0
  have go || { say "no Go toolchain: tests against crane will be skipped"; return 0; }
  say "building crane $crane_version into .berth/tools (tests: a second opinion on registries)"
  mkdir -p "$tools/bin"
  GOBIN=$tools/bin GOTOOLCHAIN=local CGO_ENABLED=0 go install "github.com/google/go-containerregistry/cmd/crane@$crane_version" </dev/null >"$tools/crane.log" 2>&1 || {
    tail -n 3 "$tools/crane.log" >&2
    say "  could not build crane: what needs it will be skipped"
    return 0
  }
  rm -f "$tools/crane.log"
  printf '%s' "$crane_version" >"$tools/crane-version"
  write_tools
}

compose_version=v2.39.4

build_compose() {
  [ ! -x "$tools/bin/compose-v2" ] || [ "$(cat "$tools/compose-version" 2>/dev/null)" != "$compose_version" ] || return 0
  have go || { say "no Go toolchain: tests with Compose v2 will be skipped"; return 0; }
  say "building Compose $compose_version into .berth/tools from its Go module (some minutes, once)"
  mkdir -p "$tools/bin"
  module=github.com/docker/compose/v2
  { directory=$(go mod download -json "$module@$compose_version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p') && [ -n "$directory" ] &&
    GOTOOLCHAIN=local CGO_ENABLED=0 nice go build -C "$directory" -trimpath \
      -ldflags "-s -w -X $module/internal.Version=$compose_version" -o "$tools/bin/compose-v2" ./cmd
  } </dev/null >"$tools/compose.log" 2>&1 || {
    tail -n 3 "$tools/compose.log" >&2
    say "  could not build Compose: what needs it will be skipped"
    return 0
  }
  rm -f "$tools/compose.log"
  printf '%s' "$compose_version" >"$tools/compose-version"
  write_tools
}

install_docker_py() {
  [ "$(cat "$tools/python/pinned" 2>/dev/null)" != "$docker_py_version" ] || return 0
  have python3 || { say "no Python 3: tests against docker-py will be skipped"; return 0; }
  say "installing docker-py $docker_py_version into .berth/tools/python (tests: the Python client)"
  { python3 -m venv "$tools/python" && "$tools/python/bin/pip" -q --disable-pip-version-check install "docker==$docker_py_version"; } </dev/null >/dev/null 2>&1 || {
    rm -rf "$tools/python"
    say "  could not install docker-py: what needs it will be skipped"
    return 0
  }
  printf '%s' "$docker_py_version" >"$tools/python/pinned"
  write_tools
}

# ---- npm packages, among them the Node that runs the sources

install_npm() {
  stamp=node_modules/.package-lock.json
  if [ -e "$stamp" ] && [ -z "$(find package-lock.json -newer "$stamp")" ] && sh scripts/node.sh >/dev/null 2>&1; then return 0; fi
  have npm || fail "npm is missing: install Node (20 or newer) with npm first"
  say "installing npm packages as package-lock.json pins them, with Node 26 to run the sources (no install scripts are run)"
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null || fail "npm ci failed"
  touch "$stamp"
  sh scripts/node.sh >/dev/null || fail "the npm packages brought no Node for this machine ($(uname -m))"
}

# ---- crun 1.8 refuses a host with cgroup v1 while the v2 hierarchy beside it holds a controller

mount_stray_controllers() {
  unified=/sys/fs/cgroup/unified/cgroup.controllers
  [ -s "$unified" ] || return 0
  [ "$(id -u)" = 0 ] || { say "the cgroup controllers $(cat $unified) are in v2 on a v1 host: crun will be passed over for runc"; return 0; }
  for controller in $(cat $unified); do
    directory=/sys/fs/cgroup/$controller
    mkdir -p "$directory" 2>/dev/null && mount -t cgroup -o "$controller" cgroup "$directory" 2>/dev/null || {
      rmdir "$directory" 2>/dev/null || :
      say "could not mount the cgroup v1 hierarchy of $controller: crun may be passed over for runc"
      continue
    }
    say "mounted the cgroup v1 hierarchy of $controller at $directory (crun 1.8 refuses to run without; gone at reboot)"
  done
}

install_packages "$run_packages"
[ "$level" = run ] || install_packages "$test_packages"
install_npm
mount_stray_controllers
[ "$level" = run ] || unpack_peers test "$test_peers"
[ "$level" = run ] || build_crane
[ "$level" = run ] || install_docker_py
[ "$level" != bench ] || unpack_peers bench "$bench_peers"
[ "$level" != acceptance ] || unpack_peers acceptance "$acceptance_peers"
[ "$level" != acceptance ] || build_compose
# A checkout that was moved: the launchers hold its path.
[ ! -d "$tools/root" ] || grep -qs "=$tools/" "$tools/env" || write_tools
say "ready"
