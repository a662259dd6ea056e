# shellcheck shell=sh
# What an engine's own client tells elsewhere: logs; and free ports, which many people share here.

PORTS_FILE=$SETTINGS_DIR/ports

# logs [tail=N] [follow] [SERVICES]
verb_logs() {
  log_tail=100 log_follow=no
  while :; do
    case ${1:-} in
      tail=*[!0-9]*) wrong_usage "'$1' names no number of lines" ;;
      tail=?*) log_tail=${1#tail=} ;;
      follow) log_follow=yes ;;
      *) break ;;
    esac
    shift
  done
  current=$(link_id current)
  [ "$current" != - ] || { echo 'updater: no release runs here' >&2; exit 1; }
  # shellcheck disable=SC2046
  [ $# -gt 0 ] || set -- $(plan_services "$current")
  for log_service in "$@"; do
    plan_services "$current" | grep -qxF -e "$log_service" || { echo "updater: there is no service '$log_service'" >&2; exit 1; }
  done
  for log_service in "$@"; do
    container_log "$log_service" "$log_tail" | sed "s/^/$log_service | /"
  done
  [ "$log_follow" = yes ] || return 0
  for log_service in "$@"; do
    tail -n 0 -F "$SERVICES_DIR/$log_service/log" 2>/dev/null | sed -u "s/^/$log_service | /" &
  done
  # Whoever reads goes away: then writing fails, or the session ends.
  wait
}

# free-ports COUNT FIRST LAST: numbers that follow each other, nobody listens at and no other user of this host can be
# expected to; remembered, so that asking again gives the same.
verb_free_ports() {
  case "$*" in *[!0-9\ ]*) wrong_usage "'free-ports' takes three numbers" ;; esac
  [ $# = 3 ] && [ "$1" -ge 1 ] && [ "$2" -ge 1024 ] && [ "$3" -le 65535 ] && [ "$(($2 + $1 - 1))" -le "$3" ] || wrong_usage "'free-ports' takes how many, the first and the last; no port below 1024"
  make_scratch ports
  listening_ports >"$scratch/listening"
  if [ -f "$PORTS_FILE" ] && [ "$(wc -l <"$PORTS_FILE")" = "$1" ] && fit_range "$2" "$3" && ports_are_free; then
    cat "$PORTS_FILE"
    return
  fi
  awk -v count="$1" -v first="$2" -v last="$3" -v seed="$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')" '
    { used[$1] = 1 }
    END {
      srand(seed); room = last - first - count + 2; start = int(rand() * room)
      for (i = 0; i < room; i++) {
        port = first + (start + i) % room
        for (n = 0; n < count && !((port + n) in used); n++);
        if (n == count) { for (n = 0; n < count; n++) print port + n; exit }
      }
    }' "$scratch/listening" >"$scratch/chosen"
  [ -s "$scratch/chosen" ] || { echo "updater: no $1 free ports in a row between $2 and $3" >&2; exit 3; }
  cp "$scratch/chosen" "$PORTS_FILE.new" && mv -f "$PORTS_FILE.new" "$PORTS_FILE" && cat "$PORTS_FILE"
}

fit_range() {
  awk -v first="$1" -v last="$2" '$1 < first || $1 > last { bad = 1 } END { exit bad }' "$PORTS_FILE"
}

# Those at which this user listens are the ones that were found before.
ports_are_free() {
  while IFS= read -r port; do
    owner=$(awk -v port="$port" '$1 == port { print $2; exit }' "$scratch/listening")
    [ -z "$owner" ] || [ "$owner" = "$(id -u)" ] || return 1
  done <"$PORTS_FILE"
}
