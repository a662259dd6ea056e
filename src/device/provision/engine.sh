#!/bin/sh
# Whether a usable Docker engine answers here. `prose-ship provision` sends this program, an offline bundle brings it along.
#
#   engine.sh check MINIMUM_ENGINE MINIMUM_COMPOSE
#       prints ENGINE<TAB>COMPOSE; exit status 1: none answers; 3: too old, and a second line says what
#   engine.sh start SECONDS
#       starts it where its packages could not, and waits until it answers; exit status 1: it does not
#   engine.sh needs
#       packages that it needs on this kernel and that are not there, one a line
set -u
LC_ALL=C
export LC_ALL
unset DOCKER_HOST DOCKER_CONTEXT

answers() {
  docker version --format '{{.Server.Version}}' 2>/dev/null
}

# too_old VERSION MINIMUM: Debian's 26.1.5+dfsg1 and 2.26.1-4 are no pre-releases.
too_old() {
  found=${1#v}
  found=${found%%[!0-9.]*}
  [ "$(printf '%s\n%s\n' "$2" "${found:-0}" | sort -V | head -n 1)" != "$2" ]
}

check() {
  engine=$(answers) || return 1
  compose=$(docker compose version --short 2>/dev/null) || compose=0.0.0
  printf '%s\t%s\n' "$engine" "$compose"
  if too_old "$engine" "$1"; then echo "engine $engine is older than $1"; return 3; fi
  if too_old "$compose" "$2"; then echo "compose $compose is older than $2"; return 3; fi
}

start() {
  if answers >/dev/null; then return 0; fi
  if [ -d /run/systemd/system ]; then
    systemctl start docker.service
  elif [ -x /etc/init.d/docker ]; then
    /etc/init.d/docker start
  fi
  waited=0
  until answers >/dev/null; do
    [ "$waited" -lt "$1" ] || return 1
    sleep 1
    waited=$((waited + 1))
  done
}

# It refuses to run containers where the kernel has AppArmor and its tools are missing.
needs() {
  if grep -qs Y /sys/module/apparmor/parameters/enabled && ! command -v apparmor_parser >/dev/null; then echo apparmor; fi
}

verb=$1
shift
case $verb in
  check | start | needs) "$verb" "$@" ;;
  *) echo "engine.sh: unknown verb '$verb'" >&2; exit 2 ;;
esac
