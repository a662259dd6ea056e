# shellcheck shell=sh
# A rollout must outlive the SSH session that asked for it; whoever asked reads its log, as often as the link breaks.

# start [log=NAME] VERB ARGS: systemd takes it as a unit of its own where it runs (a session's end kills its other
# processes); elsewhere a new session without terminal does. Whoever makes the log starts the run: one who got no answer
# asks again with the same name. Beside the run lives its guard (guard.sh).
verb_start() {
  trap '' HUP PIPE
  name=
  case ${1:-} in
    log=*)
      name=${1#log=}
      shift
      { is_release_id "$name" && [ "${name%.log}" != "$name" ]; } || wrong_usage "'$name' cannot be the name of a log"
      ;;
  esac
  case ${1:-} in
    receive | prepare | rollout | rollback | prune | backup | restore | steal-lock | start-services | stop-services | restart-services) ;;
    *) wrong_usage "'start' takes a verb that changes something: prepare, rollout, rollback, ..." ;;
  esac
  refuse_read_only_state
  make_state_directories
  name=${name:-$(new_log_name "$1")}
  if (set -C && : >"$LOG_DIR/$name") 2>/dev/null; then
    start_apart "$@"
  elif [ ! -f "$LOG_DIR/$name" ]; then
    echo "updater: $LOG_DIR/$name cannot be written" >&2
    exit 1
  fi
  # The name is good for `follow` once the writer has locked the log.
  tries=0
  until [ -s "$LOG_DIR/$name" ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt 500 ]; then echo "updater: '$*' did not start" >&2; exit 1; fi
    sleep 0.02
  done
  echo "$name"
}

start_apart() {
  if has_unit_manager; then
    # Else systemd would end the guard too when the kernel kills a run for want of memory.
    run_as_unit "prose-ship-${name%.log}" \
      --setenv=PROSE_SHIP_LOG="$name" --setenv=PROSE_SHIP_OPERATOR="$(operator)" -- "$UPDATER" guard "$@" ||
      { rm -f "$LOG_DIR/$name"; exit 1; }
  else
    PROSE_SHIP_LOG=$name PROSE_SHIP_OPERATOR=$(operator) SSH_CONNECTION='' setsid "$UPDATER" guard "$@" </dev/null >/dev/null 2>&1 &
  fi
}

newest_log() {
  find "$LOG_DIR" -type f -name '*.log' -printf '%T@ %f\n' | sort -rn | sed -n '1s/^[^ ]* //p'
}

# follow [LOG [LINES]]: without the first LINES, which the reader has; the newest log without a name. A log without `end`
# line whose lock is free belongs to a writer that was killed.
verb_follow() {
  [ $# -le 2 ] || wrong_usage "'follow' takes the name of a log and how many of its lines to leave out"
  [ $# -gt 0 ] || set -- "$(newest_log)"
  is_release_id "$1" || wrong_usage "'$1' is not the name of a log"
  skip=${2:-0}
  case $skip in *[!0-9]*) wrong_usage "'$skip' is not a number of lines" ;; esac
  log_file=$LOG_DIR/$1
  [ -f "$log_file" ] || { echo "updater: there is no log '$1'" >&2; exit 1; }
  exec 3<"$log_file"
  writer=alive partial=
  while :; do
    if IFS= read -r line <&3; then
      line=$partial$line partial=
      if [ "$skip" -gt 0 ]; then skip=$((skip - 1)); else printf '%s\n' "$line" || exit 1; fi
      case ${line#*"$TAB"} in "end$TAB"[0-9]*) exit "${line##*"$TAB"}" ;; esac
      continue
    fi
    partial=$partial$line
    if [ "$writer" = dead ]; then
      printf '%s\terror\tE_INTERRUPTED\tthe updater was killed; the run or boot that comes next finishes or reverts\n' "$(date +%s)"
      exit 1
    fi
    # Looked at before the last read, so that nothing written in between is missed.
    # Its end ends the wait.
    if flock -w 0.3 -s "$log_file" true; then writer=dead; fi
  done
}
