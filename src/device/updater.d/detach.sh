# shellcheck shell=sh
# A rollout must outlive the SSH session that asked for it.

# start VERB ARGS: systemd takes it as a unit of its own where it runs (a session's end kills its other processes);
# elsewhere a new session without terminal does.
verb_start() {
  case ${1:-} in
    receive | prepare | rollout | rollback | prune) ;;
    *) wrong_usage "'start' takes receive, prepare, rollout, rollback or prune" ;;
  esac
  make_state_directories
  name=$(new_log_name "$1")
  if [ -d /run/systemd/system ]; then
    systemd-run --quiet --collect --unit="prose-ship-${name%.log}" --property=After=docker.service \
      --setenv=PROSE_SHIP_LOG="$name" --setenv=PROSE_SHIP_OPERATOR="$(operator)" -- "$UPDATER" "$@" || exit 1
  else
    PROSE_SHIP_LOG=$name PROSE_SHIP_OPERATOR=$(operator) setsid "$UPDATER" "$@" </dev/null >/dev/null 2>&1 &
  fi
  # The name is good for `follow` once the writer has locked the log.
  tries=0
  until [ -s "$LOG_DIR/$name" ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt 100 ]; then echo "updater: '$*' did not start" >&2; exit 1; fi
    sleep 0.1
  done
  echo "$name"
}

# follow LOG: a log without `end` line whose lock is free belongs to a writer that was killed.
verb_follow() {
  [ $# -eq 1 ] || wrong_usage "'follow' takes the name of a log"
  is_release_id "$1" || wrong_usage "'$1' is not the name of a log"
  log_file=$LOG_DIR/$1
  [ -f "$log_file" ] || { echo "updater: there is no log '$1'" >&2; exit 1; }
  exec 3<"$log_file"
  writer=alive partial=
  while :; do
    if IFS= read -r line <&3; then
      line=$partial$line partial=
      printf '%s\n' "$line" || exit 1
      case ${line#*"$TAB"} in 'end '[0-9]*) exit "${line##* }" ;; esac
      continue
    fi
    partial=$partial$line
    if [ "$writer" = dead ]; then
      printf '%s\terror E_INTERRUPTED\tthe updater was killed; its next run or boot finishes or reverts\n' "$(date +%s)"
      exit 1
    fi
    # Looked at before the last read, so that nothing written in between is missed.
    if flock -n -s "$log_file" true; then writer=dead; else sleep 0.3; fi
  done
}
