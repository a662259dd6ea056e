# shellcheck shell=sh
# The frame in which every changing verb runs: log, lock (lock.sh), signals, audit.

# run_logged VERB ARGS: opens the log, takes the lock, runs verb_VERB, writes the `end` line, exits.
# The log stays locked (flock) for as long as its writer lives: so `follow` knows a log whose writer was killed.
run_logged() {
  run=$*
  # `start`, which chose the log, has done this already.
  [ -n "${PROSE_SHIP_LOG:-}" ] || { refuse_read_only_state && make_state_directories; }
  log_name=${PROSE_SHIP_LOG:-$(new_log_name "$1")}
  exec 8>>"$LOG_DIR/$log_name"
  flock 8
  catch_signals
  read_uptime
  run_started_at=$uptime_now audit_from=$(link_id current)
  log_info "updater $version: $run, by $(operator)"
  status=3
  if take_lock "$run"; then
    # Holding the lock, any other run's scratch space is a killed one's.
    find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'updater-run.*' -exec rm -rf {} +
    rm -f "$JOURNAL.new"
    make_scratch run
    logged_verb=$(printf '%s' "$1" | tr - _)
    shift
    "verb_$logged_verb" "$@"
    status=$?
  fi
  result='done'
  case $status in
    0) ;;
    3) result="refused ${error_code}" ;;
    4) result="rolled back ${error_code}" ;;
    *) result="failed ${error_code}" ;;
  esac
  read_uptime
  audit "$run" "$result" "$(audit_details "$((uptime_now - run_started_at))")"
  log_line "end$TAB$status"
  exit "$status"
}

make_scratch() {
  # Where /tmp is on a disk that became read-only, whoever asks what is wrong must still get an answer.
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/updater-$1.XXXXXX" 2>/dev/null || mktemp -d "/run/updater-$1.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
}

new_log_name() {
  printf '%s-%s-%s.log' "$1" "$(date +%s)" "$$"
}

# The session's end (HUP) and a reader that went away (PIPE) must not matter. INT and TERM are noted and heeded
# between two steps: before the stop they end the run, after it they revert it.
interrupted=
catch_signals() {
  trap '' HUP PIPE
  trap 'interrupted=SIGTERM' TERM
  trap 'interrupted=SIGINT' INT
}

make_state_directories() {
  mkdir -p "$STATE_DIR/releases" "$STATE_DIR/secrets" "$STATE_DIR/snapshots" "$STATE_DIR/log" "$STATE_DIR/files" "${HEARTBEAT_FILE%/*}"
  chmod 755 "$STATE_DIR" "$STATE_DIR/files"
}
