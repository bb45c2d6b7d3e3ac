#!/usr/bin/env bash
# Proves the README's claim: on a plain Debian 12 with git, bash and python3 and nothing else, `./dev demo` and
# `./dev test` install what they need and do their job, and a second run starts in seconds.
#
# Each is tried in a new root (Debian's minbase and git and python3), entered by chroot in a mount namespace of its own,
# with this machine's own Debian sources, pip settings and trusted certificates. What is committed here is cloned
# there. Everything is taken away at the end. Root only: ./dev fresh calls it so.
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=$repo/.cache
plain=$cache/plain-debian-12.tar

debian_sources() {
  apt-get indextargets --format \
    'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian'
}

bootstrap() {
  [[ -e $plain ]] && return
  mkdir -p "$cache"
  debian_sources | mmdebstrap --quiet --variant=minbase --include=git,python3 bookworm "$plain.part.tar" -
  mv "$plain.part.tar" "$plain"
}

furnish() { # unpacks a root at $1 and gives it what a machine's owner would have configured
  local root=$1
  tar -C "$root" -xf "$plain"
  cp -n /etc/apt/apt.conf.d/* "$root/etc/apt/apt.conf.d/"
  cp /etc/resolv.conf /etc/hosts "$root/etc/"
  [[ ! -e /etc/pip.conf ]] || cp /etc/pip.conf "$root/etc/"
  [[ ! -e ~/.config/pip/pip.conf ]] || install -D ~/.config/pip/pip.conf "$root/root/.config/pip/pip.conf"
  [[ ! -e /etc/ssl/certs/ca-certificates.crt ]] || cp /etc/ssl/certs/ca-certificates.crt "$root/etc/trusted.crt"
  git clone -q "$repo" "$root/srv/gardien"
}

enter() { # runs a command in the root $1, in the checkout
  local root=$1
  shift
  unshare --mount --propagation private sh -euc '
    root=$1; shift
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/run"
    exec chroot "$root" /usr/bin/env -i HOME=/root TERM=dumb LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
      PIP_CERT=/etc/trusted.crt sh -c "cd /srv/gardien && exec \"\$@\"" sh "$@"
  ' sh "$root" "$@" </dev/null
}

left_running() { # the processes whose root is $1
  local process
  for process in /proc/[0-9]*; do
    [[ $(readlink "$process/root" 2>/dev/null) != "$1" ]] || echo "${process#/proc/}"
  done
}

timed() { # NAME ROOT COMMAND...: says how long it took
  local name=$1 since=$EPOCHREALTIME
  shift
  enter "$@" || { echo "fresh: $name failed" >&2; return 1; }
  awk -v name="$name" -v a="$since" -v b="$EPOCHREALTIME" 'BEGIN { printf "fresh: %-28s %7.1f s\n", name, b - a }'
}

trial() { # NAME COMMAND...: twice in a new root
  local name=$1 survivors
  shift
  root=$(mktemp -d /var/tmp/gardien-fresh.XXXXXX)
  trap 'left_running "$root" | xargs -r kill -9; rm -rf --one-file-system "$root"' EXIT
  furnish "$root"
  timed "$name, first run" "$root" "$@"
  timed "$name, second run" "$root" "$@"
  survivors=$(left_running "$root")
  [[ -z $survivors ]] || { echo "fresh: still running after $name: $(ps -o pid=,args= -p $survivors)" >&2; return 1; }
  [[ ! -e $root/usr/sbin/policy-rc.d ]] || { echo "fresh: policy-rc.d was left behind" >&2; return 1; }
}

export LC_ALL=C.UTF-8
bootstrap
[[ $# -gt 0 ]] || set -- demo test
for verb in "$@"; do
  case $verb in
    demo) (trial "./dev demo (for 20 s)" ./dev demo --for 20s) ;;
    test) (trial "./dev test tests/rules" ./dev test tests/rules) ;;
    *)    echo "usage: fresh_root.sh [demo] [test]" >&2; exit 2 ;;
  esac
done
echo "fresh: works on a plain Debian 12: $*"
