#!/bin/sh
# Stands before sync, docker, its plugin docker-compose, curl, cp and mv on a host of the kill matrix, under their names, and holds the updater at a chosen
# point, so that a fault can be brought about exactly there. It knows the updater only by the programs that it calls and
# by its journal on the disk. armed: WHEN TAB PROGRAM TAB STATE/NEXT (or `*`) TAB PATTERN OF ARGUMENTS TAB MOMENT
# MOMENT is for `during`: shell code that fails until it has come.
name=${0##*/}
real=/usr/bin/$name
if [ "$name" = docker-compose ]; then
  for folder in /usr/lib /usr/libexec; do
    [ ! -x "$folder/docker/cli-plugins/$name" ] || real=$folder/docker/cli-plugins/$name
  done
fi
wire=/var/tripwire
journal=/var/lib/prose-ship/journal

fires() {
  [ -f "$wire/armed" ] || return 1
  IFS='	' read -r when program step pattern moment <"$wire/armed" || return 1
  [ "$when" = "$1" ] && [ "$program" = "$name" ] || return 1
  # shellcheck disable=SC2254 # a pattern it is
  case $arguments in $pattern) ;; *) return 1 ;; esac
  found=$(sed -n -e 's/^state	//p' -e 's/^next	//p' "$journal" 2>/dev/null | tr '\n' / )
  # shellcheck disable=SC2254
  case $found in $step/) ;; *) return 1 ;; esac
}

trip() {
  /usr/bin/mv "$wire/armed" "$wire/tripped" 2>/dev/null || return 0
  until [ -e "$wire/go" ]; do sleep 0.02; done
}

# A sync of every disk would wait for those of the whole machine; the host's own are enough.
[ "$name $#" != 'sync 0' ] || set -- -f /var/lib/prose-ship /var/lib/docker
arguments=$*
if fires before; then trip; fi
if fires during; then
  "$real" "$@" <&0 &
  child=$!
  until sh -c "$moment" || ! kill -0 "$child"; do sleep 0.01; done
  trip
  wait "$child"
  exit
fi
if ! { [ -f "$wire/armed" ] && grep -q "^after	$name	" "$wire/armed"; }; then exec "$real" "$@"; fi
"$real" "$@"
status=$?
if fires after; then trip; fi
exit "$status"
