#!/bin/sh
# Debian packages. `prose-ship provision` sends this program, an offline bundle brings it along; there APT_CONFIG names
# the packages of the bundle instead of the host's own sources.
#
#   packages.sh system                    ID, VERSION_ID, VERSION_CODENAME, PRETTY_NAME of os-release, and dpkg's architecture: a line each
#   packages.sh missing PACKAGE...        those that are not installed; exit status 9: there is no apt
#   packages.sh programs PROGRAM=PACKAGE...
#                                         packages of the programs that are not there
#   packages.sh simulate PACKAGE...       what `install` would bring, one name a line
#   packages.sh install PACKAGE...        never removes anything: another engine, say
set -u
LC_ALL=C DEBIAN_FRONTEND=noninteractive
export LC_ALL DEBIAN_FRONTEND

system() {
  release=/etc/os-release
  [ -f "$release" ] || release=/usr/lib/os-release
  for field in ID VERSION_ID VERSION_CODENAME PRETTY_NAME; do
    sed -n "s/^$field=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" "$release" 2>/dev/null | head -n 1 | grep . || echo
  done
  dpkg --print-architecture 2>/dev/null || echo
}

missing() {
  if ! { command -v apt-get && command -v dpkg-query; } >/dev/null; then exit 9; fi
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' -- "$@" 2>/dev/null | sed -n 's/^installed //p')
  for package; do
    printf '%s\n' "$installed" | grep -qxF -e "$package" || echo "$package"
  done
}

programs() {
  for program; do
    command -v "${program%%=*}" >/dev/null || echo "${program#*=}"
  done
}

apt() {
  apt-get -q "$@"
}

# Somebody else's upgrade may be under way, or a power cut may have ended one; and nobody is there to be asked about a
# configuration file.
install_options='--no-install-recommends --no-remove -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold'

simulate() {
  apt update >&2 || return 1
  # shellcheck disable=SC2086
  planned=$(apt install --simulate $install_options "$@") || { printf '%s\n' "$planned" >&2; return 1; }
  printf '%s\n' "$planned" | sed -n 's/^Inst \([^ ]*\) .*/\1/p'
}

install() {
  dpkg --configure -a && apt update || return 1
  # shellcheck disable=SC2086
  apt install -y $install_options "$@"
}

verb=$1
shift
case $verb in
  system | missing | programs | simulate | install) "$verb" "$@" ;;
  *) echo "packages.sh: unknown verb '$verb'" >&2; exit 2 ;;
esac
