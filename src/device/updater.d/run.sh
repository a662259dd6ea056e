# shellcheck shell=sh
# The frame in which every changing verb runs: log, lock, signals; and its life apart from the session that asked.

# run_logged VERB ARGS: opens the log, takes the lock, runs verb_VERB, writes the `end` line, exits.
# The log stays locked (flock) for as long as its writer lives: so `follow` knows a log whose writer was killed.
run_logged() {
  run=$*
  refuse_read_only_state
  make_state_directories
  log_file=$LOG_DIR/${PROSE_SHIP_LOG:-$(new_log_name "$1")}
  exec 8>>"$log_file"
  flock 8
  catch_signals
  log_info "updater $version: $run, by $(operator)"
  status=3
  if take_lock "$run"; then
    # Holding the lock, any other run's scratch space is a killed one's.
    find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'updater-run.*' -exec rm -rf {} +
    make_scratch run
    logged_verb=$1
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
  audit "$run" "$result"
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
  mkdir -p "$STATE_DIR/releases" "$STATE_DIR/secrets" "$STATE_DIR/snapshots" "$STATE_DIR/log" "$STATE_DIR/files"
  chmod 755 "$STATE_DIR" "$STATE_DIR/files"
}

# One changing verb at a time. The kernel holds the lock (flock on descriptor 9) for as long as this program or a child
# of it lives, so a killed updater whose `docker compose` still runs keeps it, and a power cut always frees it.
# What stands in the file only tells people who the owner is; a boot id other than today's marks it as history.

LOCK_FILE=$STATE_DIR/lock
# At boot, or after a kill, a last child may need a moment to end.
lock_wait_seconds=5

boot_id() {
  cat /proc/sys/kernel/random/boot_id
}

take_lock() {
  exec 9>>"$LOCK_FILE"
  if ! flock -w "$lock_wait_seconds" 9; then
    log_error E_LOCKED "another updater run holds the lock: $(lock_owner)"
    return 1
  fi
  {
    printf 'owner\t%s\n' "$(operator)"
    printf 'run\t%s\n' "$1"
    printf 'pid\t%s\n' "$$"
    printf 'boot\t%s\n' "$(boot_id)"
    printf 'time\t%s\n' "$(date +%s)"
  } >"$LOCK_FILE"
}

lock_owner() {
  awk -F'\t' '{ sub(/\t/, " "); printf "%s%s", (NR > 1 ? ", " : ""), $0 }' "$LOCK_FILE" 2>/dev/null
}

# A rollout must outlive the SSH session that asked for it.

# start VERB ARGS: systemd takes it as a unit of its own where it runs (a session's end kills its other processes);
# elsewhere a new session without terminal does.
verb_start() {
  case ${1:-} in
    receive | prepare | rollout | rollback | prune | backup | restore) ;;
    *) wrong_usage "'start' takes receive, prepare, rollout, rollback, prune, backup or restore" ;;
  esac
  refuse_read_only_state
  make_state_directories
  name=$(new_log_name "$1")
  if [ -d /run/systemd/system ]; then
    systemd-run --quiet --collect --unit="prose-ship-${name%.log}" --property=After=docker.service \
      --setenv=PROSE_SHIP_LOG="$name" --setenv=PROSE_SHIP_OPERATOR="$(operator)" -- "$UPDATER" "$@" || exit 1
  else
    PROSE_SHIP_LOG=$name PROSE_SHIP_OPERATOR=$(operator) SSH_CONNECTION='' setsid "$UPDATER" "$@" </dev/null >/dev/null 2>&1 &
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
      case ${line#*"$TAB"} in "end$TAB"[0-9]*) exit "${line##*"$TAB"}" ;; esac
      continue
    fi
    partial=$partial$line
    if [ "$writer" = dead ]; then
      printf '%s\terror\tE_INTERRUPTED\tthe updater was killed; its next run or boot finishes or reverts\n' "$(date +%s)"
      exit 1
    fi
    # Looked at before the last read, so that nothing written in between is missed.
    if flock -n -s "$log_file" true; then writer=dead; else sleep 0.3; fi
  done
}
