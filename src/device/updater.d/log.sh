# shellcheck shell=sh
# Log lines, the audit log, and the frame in which every changing verb runs.
# Log line: EPOCHSECONDS <TAB> KIND <TAB> TEXT; docs/device.md lists the kinds.

LOG_DIR=$STATE_DIR/log
AUDIT_LOG=$STATE_DIR/audit.log

# The code of the last error, for the journal and the audit log.
error_code=

# Tools' output may hold tabs, colours and carriage returns; a log line must stay one line with known fields.
one_line() {
  printf '%s' "$*" | tr -s '\000-\037\177' ' '
}

# The log file is the truth; standard output may be a session that died long ago.
log_line() {
  line=$(printf '%s\t%s' "$(date +%s)" "$1")
  printf '%s\n' "$line" >&8
  printf '%s\n' "$line" 2>/dev/null || :
}

log_info() { log_line "info$TAB$(one_line "$*")"; }
log_warning() { log_line "warning$TAB$(one_line "$*")"; }

# log_error CODE TEXT: always returns 1, so that `log_error ... || return` and `return` chains read well.
log_error() {
  error_code=$1
  shift
  log_line "error $error_code$TAB$(one_line "$*")"
  return 1
}

# Standard input, line by line, as info.
log_lines() {
  while IFS= read -r text || [ -n "$text" ]; do log_info "| $text"; done
}

# The last lines of a file on one line, for the text of an error.
tail_of() {
  one_line "$(tail -n "${2:-3}" "$1")"
}

# Who is behind this run: as told by the laptop, else the user behind sudo, and where the SSH session comes from.
operator() {
  name=${PROSE_SHIP_OPERATOR:-${SUDO_USER:-$(id -un)}}
  from=${SSH_CONNECTION:-}
  one_line "$name${from:+ from ${from%% *}}"
}

audit() {
  printf '%s\t%s\t%s\t%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(operator)" "$1" "$2" >>"$AUDIT_LOG"
}

# run_logged VERB ARGS: opens the log, takes the lock, runs verb_VERB, writes the `end` line, exits.
# The log stays locked (flock) for as long as its writer lives: so `follow` knows a log whose writer was killed.
run_logged() {
  run=$*
  make_state_directories
  log_file=$LOG_DIR/${PROSE_SHIP_LOG:-$(new_log_name "$1")}
  exec 8>>"$log_file"
  flock 8
  make_scratch run
  catch_signals
  log_info "updater $version: $run, by $(operator)"
  status=3
  if take_lock "$run"; then
    # What killed runs left behind.
    find "${scratch%/*}" -maxdepth 1 -name 'updater-run.*' ! -path "$scratch" -exec rm -rf {} +
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
  log_line "end $status"
  exit "$status"
}

make_scratch() {
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/updater-$1.XXXXXX")
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
