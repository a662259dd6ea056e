#!/bin/sh
# shellcheck source-path=SCRIPTDIR
# Installs or updates the server of this folder on the host that it runs on, without any network. README.txt tells how.
# Plain POSIX sh and what every Debian has; what else is needed comes out of packages/.
set -u
umask 022
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH

usage() {
  cat <<'USAGE'
usage: sh install.sh [OPTIONS]   (as root)

  --check              looks whether everything can be done; changes nothing
  --secrets FOLDER     a file for each secret, called as the secret is; else the terminal is asked
  --allow-downgrade    an older release than the one that runs
  --owner USER         who may bring later releases over SSH (default: who may now, else who called sudo)
  --help               this text

exit status: 0 done, 1 failed, 2 wrong usage, 3 refused and nothing was touched, 4 rolled back, 130 interrupted
USAGE
}

# As prose-ship itself tells it: `> began`, `+ done: what came of it (12 s)`, `- skipped: why`, `x failed`.
title=
begin() {
  title=$1
  began=$(date +%s)
  printf '> %s\n' "$title"
}

end() {
  seconds=$(($(date +%s) - began))
  [ "$seconds" -gt 0 ] && time=" ($seconds s)" || time=
  printf '+ %s%s%s\n' "$title" "${1:+: $1}" "$time"
  title=
}

skip() {
  printf -- '- %s: %s\n' "$1" "$2"
}

warn() {
  printf 'warning: %s\n' "$1" >&2
}

# fail STATUS CODE MESSAGE REMEDY
fail() {
  [ -z "$title" ] || printf 'x %s\n' "$title" >&2
  printf 'error: %s (%s)\n' "$3" "$2" >&2
  [ -z "${4:-}" ] || printf '  -> %s\n' "$4" >&2
  exit "$1"
}

wrong_usage() {
  printf 'error: %s (E_USAGE)\n' "$1" >&2
  usage >&2
  exit 2
}

# Before anything of it is used, this program's own parts included.
check_folder() {
  begin 'Check this folder'
  cd "$here" || exit 1
  [ -s SHA256SUMS ] || fail 3 E_BUNDLE_DAMAGED "'$here' has no SHA256SUMS" "$again"
  count=$(wc -l <SHA256SUMS)
  report=$(sha256sum --check --strict --quiet SHA256SUMS 2>/dev/null </dev/null) || {
    damaged=$(printf '%s\n' "$report" | sed -n 's/: FAILED.*//p')
    first=$(printf '%s\n' "$damaged" | sed -n 1p)
    others=$(($(printf '%s\n' "$damaged" | wc -l) - 1))
    fail 3 E_BUNDLE_DAMAGED "'${first:-SHA256SUMS}' is not what it was when this folder was made$([ "$others" -eq 0 ] || echo ", and $others more files")" "$again"
  }
  end "$count files"
}

options() {
  only_check=no secrets_folder='' allow_downgrade=no owner=''
  while [ $# -gt 0 ]; do
    case $1 in
      --check) only_check=yes ;;
      --allow-downgrade) allow_downgrade=yes ;;
      --secrets | --owner)
        [ $# -gt 1 ] || wrong_usage "'$1' takes a value"
        case $1 in --secrets) secrets_folder=$2 ;; --owner) owner=$2 ;; esac
        shift
        ;;
      -h | --help) usage; exit 0 ;;
      *) wrong_usage "unknown option '$1'" ;;
    esac
    shift
  done
  [ -z "$secrets_folder" ] || [ -d "$secrets_folder" ] || wrong_usage "'$secrets_folder' is not a folder"
  [ -z "$secrets_folder" ] || secrets_folder=$(cd "$secrets_folder" && pwd -P)
  [ -z "$owner" ] || owner_id=$(id -u -- "$owner" 2>/dev/null) || wrong_usage "there is no user '$owner' here"
}

# What was begun is either undone by nobody needing it or taken up by the next run.
interrupted() {
  trap '' INT TERM HUP
  [ ! -t 0 ] || stty echo
  printf '\nerror: interrupted (E_INTERRUPTED)\n' >&2
  printf '  -> %s\n' "$after_interruption" >&2
  exit 130
}

main() {
  here=$(cd "$(dirname -- "$0")" && pwd -P) || exit 1
  again='Make the folder again, or copy it again; should it happen twice, the stick is worn out.'
  after_interruption='Nothing was touched. Run it again.'
  options "$@"
  [ "$(id -u)" = 0 ] || fail 3 E_NOT_ROOT "only root can install" "sudo sh '$here/install.sh'"
  work=
  trap '[ -z "$work" ] || rm -rf "$work"' EXIT
  trap interrupted INT TERM HUP
  check_folder
  work=$(mktemp -d /run/prose-ship-install.XXXXXX 2>/dev/null || mktemp -d) || exit 1
  # shellcheck source=facts.sh
  . "$here/install/facts.sh"
  # shellcheck source=repository.sh
  . "$here/install/repository.sh"
  # shellcheck source=host.sh
  . "$here/install/host.sh"
  # shellcheck source=secrets.sh
  . "$here/install/secrets.sh"
  # shellcheck source=provision.sh
  . "$here/install/provision.sh"
  # shellcheck source=release.sh
  . "$here/install/release.sh"
  check_host
  collect_secrets
  if [ "$only_check" = yes ]; then
    echo 'Everything is there; nothing was changed.'
    exit 0
  fi
  after_interruption='What was begun is taken up when you run it again.'
  install_packages
  lay_updater
  lay_secrets
  bring_release
  roll_out
  what_comes_next
}

# A program that was cut off does nothing.
main "$@"
