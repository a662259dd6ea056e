# shellcheck shell=sh
# The journal: which release is being rolled out, the last state that it reached, and the step under way. It is written
# before a step begins and again when it is done, each time whole: temporary file, fsync, rename, fsync of the directory.

JOURNAL=$STATE_DIR/journal

j_id=-
j_goal=-          # prepare or rollout
j_state=-         # last state reached
j_next=-          # state being worked towards, or `proven` between synced and the stop; `-`: nothing is under way
j_from=-          # release to go back to; `-`: there was none
j_changed=        # services to replace, in start order, separated by spaces
j_snapshot=no     # yes: snapshots/ID holds the data as it was before this release
j_restore=-       # release whose snapshot is put in place before the start (rollback to an older data version)
j_resumes=0       # how often a boot or a later run took this rollout up again
j_code=-          # error code behind a failure or rollback

# A rollout that keeps dying (a release that crashes the kernel, say) is reverted when it would be resumed once more.
max_resumes=3
# Without a release to go back to, giving up leaves a device on which nothing runs: somebody may just be plugging it in and out.
max_first_resumes=10

journal_load() {
  [ -f "$JOURNAL" ] || return 1
  while IFS=$TAB read -r key value; do
    case $key in
      id) j_id=$value ;;
      goal) j_goal=$value ;;
      state) j_state=$value ;;
      next) j_next=$value ;;
      from) j_from=$value ;;
      changed) j_changed=$value ;;
      snapshot) j_snapshot=$value ;;
      restore) j_restore=$value ;;
      resumes) j_resumes=$value ;;
      code) j_code=$value ;;
    esac
  done <"$JOURNAL"
  is_release_id "$j_id"
}

journal_write() {
  # Without a journal nothing may go on: the next step would act on a state that a power cut forgets.
  if ! write_journal; then
    log_error E_JOURNAL "the journal $JOURNAL cannot be written"
    log_line "end${TAB}1"
    exit 1
  fi
}

write_journal() {
  {
    printf 'format\t1\nid\t%s\ngoal\t%s\nstate\t%s\nnext\t%s\n' "$j_id" "$j_goal" "$j_state" "$j_next"
    printf 'from\t%s\nchanged\t%s\nsnapshot\t%s\nrestore\t%s\n' "$j_from" "$j_changed" "$j_snapshot" "$j_restore"
    printf 'resumes\t%s\ncode\t%s\ntime\t%s\n' "$j_resumes" "$j_code" "$(date +%s)"
  } >"$JOURNAL.new" &&
    sync "$JOURNAL.new" && mv -f "$JOURNAL.new" "$JOURNAL" && sync "$STATE_DIR"
}

# journal_begin ID GOAL RESTORE: a new operation on an uploaded release.
journal_begin() {
  j_id=$1 j_goal=$2 j_state=uploaded j_next=verified
  j_from=$(link_id current) j_changed='' j_snapshot=no j_restore=$3 j_resumes=0 j_code=-
  journal_write
  log_line "state$TAB$j_state"
  die_for_test
}

# journal_intend STATE: written ahead of the work that leads to STATE.
journal_intend() {
  [ "$j_next" = "$1" ] || { j_next=$1 && journal_write; }
}

# journal_reach STATE [NEXT]: the work is done; NEXT is begun right away.
journal_reach() {
  j_state=$1 j_next=${2:--}
  journal_write
  log_line "state$TAB$j_state"
  die_for_test
}

# Nothing is under way any more; what was reached stays.
journal_settle() {
  j_next=- j_code=${error_code:--}
  # Where even this finds no space, the next run takes the unfinished preparation up and throws it away.
  write_journal || log_warning "the journal $JOURNAL cannot be written"
}

# Test hook: PROSE_SHIP_FAULT=STATE kills the updater right after that state was journalled.
die_for_test() {
  [ "${PROSE_SHIP_FAULT:-}" != "$j_state" ] || kill -KILL $$
}

# What current or previous points to, or `-`.
link_id() {
  target=$(readlink "$STATE_DIR/$1") && printf '%s' "${target##*/}" || printf '%s' -
}

# set_link NAME ID: replaces the symbolic link in one step.
set_link() {
  ln -sfn "releases/$2" "$STATE_DIR/.$1.new" && mv -fT "$STATE_DIR/.$1.new" "$STATE_DIR/$1" && sync "$STATE_DIR"
}
