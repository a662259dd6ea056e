# shellcheck shell=sh
# Log lines and the audit log.
# Log line: EPOCHSECONDS <TAB> KIND <TAB> TEXT; docs/internals/device.md lists the kinds.

LOG_DIR=$STATE_DIR/log
AUDIT_LOG=$STATE_DIR/audit.log
audit_bytes=262144

# The code of the last error, for the journal and the audit log.
error_code=

# Tools' output may hold tabs, colours and carriage returns; a log line must stay one line with known fields.
one_line() {
  case $* in
    *[[:cntrl:]]*) printf '%s' "$*" | tr -s '\000-\037\177' ' ' ;;
    *) printf '%s' "$*" ;;
  esac
}

# The log file is the truth; standard output may be a session that died long ago.
log_line() {
  read_date
  line=$now$TAB$1
  printf '%s\n' "$line" >&8
  printf '%s\n' "$line" 2>/dev/null || :
  heartbeat
}

log_info() { log_line "info$TAB$(one_line "$*")"; }
log_warning() { log_line "warning$TAB$(one_line "$*")"; }

# log_error CODE TEXT: always returns 1, so that `log_error ... || return` and `return` chains read well.
log_error() {
  error_code=$1
  shift
  log_line "error$TAB$error_code$TAB$(one_line "$*")"
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

# audit VERB RESULT [DETAILS]: one line a run. The file is bounded: one older one is kept.
audit() {
  [ "$(stat -c %s "$AUDIT_LOG" 2>/dev/null || echo 0)" -lt "$audit_bytes" ] || mv -f "$AUDIT_LOG" "$AUDIT_LOG.1"
  printf '%s\t%s\t%s\t%s%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(operator)" "$1" "$2" "${3:+$TAB$3}" >>"$AUDIT_LOG"
}

# audit_details SECONDS: KEY=VALUE words; from and to are what was the current release before and after.
audit_details() {
  printf 'seconds=%s from=%s to=%s' "$1" "$audit_from" "$(link_id current)"
  [ -z "$error_code" ] || printf ' code=%s' "$error_code"
  printf ' log=%s' "$log_name"
}

last_audits() {
  cat "$AUDIT_LOG.1" "$AUDIT_LOG" 2>/dev/null | tail -n 10
}
