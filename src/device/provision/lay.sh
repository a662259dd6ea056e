#!/bin/sh
# Folders and files of a host. `prose-ship provision` sends this program, an offline bundle brings it along.
#
#   lay.sh directories MODE OWNER FOLDER...
#   lay.sh put FILE MODE UID:GID      standard input becomes the file, whole or not at all; prints FILE unless it is the very same
#   lay.sh keep-only FOLDER FILE...   removes every other file below the folder
#   lay.sh enable UNIT                where systemd runs
set -u

directories() {
  mode=$1 owner=$2
  shift 2
  for folder; do install -d -m "$mode" -o "$owner" "$folder" || return 1; done
}

put() {
  mkdir -p "${1%/*}" && (umask 077 && cat >"$1.new") && chmod "$2" "$1.new" && chown "$3" "$1.new" || return 1
  if cmp -s "$1" "$1.new" && [ "$(stat -c %a:%u:%g "$1")" = "$(stat -c %a:%u:%g "$1.new")" ]; then
    rm -f "$1.new"
  else
    sync "$1.new" && mv -f "$1.new" "$1" && echo "$1"
  fi
}

keep_only() {
  folder=$1
  shift
  find "$folder" -type f | while IFS= read -r found; do
    for kept; do [ "$found" != "$kept" ] || continue 2; done
    rm -f "$found"
  done
}

enable() {
  [ -d /run/systemd/system ] || return 0
  systemctl daemon-reload && systemctl enable "$1"
}

verb=$1
shift
case $verb in
  directories | put | enable) "$verb" "$@" ;;
  keep-only) keep_only "$@" ;;
  *) echo "lay.sh: unknown verb '$verb'" >&2; exit 2 ;;
esac
