# shellcheck shell=sh
# The journal: which release is being rolled out, the last state that it reached, and the step under way. It is written
# before a step begins and again when it is done, each time whole: temporary file, fsync, rename, fsync of the directory.
# The one before it stays as journal.last, in case that a worn card damages what it had stored already.

JOURNAL=$STATE_DIR/journal

j_id=-
j_goal=-          # prepare, rollout or rollback
j_state=-         # last state reached
j_next=-          # state being worked towards, or `proven` between synced and the stop; `-`: nothing is under way
j_from=-          # release to go back to; `-`: there was none
j_changed=        # services to replace, in start order, separated by spaces
j_snapshot=no     # yes: snapshots/ID holds the data as it was before this release
j_restore=-       # release whose snapshot is put in place before the start (rollback to an older data version)
j_placed=-        # data in place for what starts next: that of a copy by its release, `renamed`, or `-` as it was found
j_rename=no       # yes: it was asked for that data is renamed, and the release needs that
j_resumes=0       # how often a boot or a later run took this rollout up again
j_code=-          # error code behind a failure or rollback

# A rollout that keeps dying (a release that crashes the kernel, say) is reverted when it would be resumed once more.
max_resumes=3
# Without a release to go back to, giving up leaves a device on which nothing runs: somebody may just be plugging it in and out.
max_first_resumes=10

journal_load() {
  ! read_journal "$JOURNAL" || return 0
  read_journal "$JOURNAL.last" || return 1
  [ -z "${run:-}" ] || log_warning "the journal $JOURNAL is damaged or gone; going on from the one before"
  step_back
}

# read_journal FILE: fails for one that is not whole; the last line, `time`, tells that it is.
read_journal() {
  [ -f "$1" ] || return 1
  j_id=- j_goal=- j_state=- j_next=- j_from=- j_changed='' j_snapshot=no j_restore=- j_placed=- j_rename=no j_resumes=0 j_code=- j_time=
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
      placed) j_placed=$value ;;
      rename) j_rename=$value ;;
      resumes) j_resumes=$value ;;
      code) j_code=$value ;;
      time) j_time=$value ;;
    esac
  done <"$1"
  [ -n "$j_time" ] || return 1
  case $j_goal in prepare | rollout | rollback) ;; *) return 1 ;; esac
  is_state "$j_state" && { [ "$j_next" = - ] || [ "$j_next" = proven ] || is_state "$j_next"; } &&
    { [ "$j_from" = - ] || is_release_id "$j_from"; } && is_release_id "$j_id"
}

is_state() {
  case $1 in
    uploaded | verified | loaded | synced | stopped | snapshotted | started | gated | committed | rolled-back) ;;
    *) return 1 ;;
  esac
}

# The journal that was lost was one step further, or on the way back. What was done then can be seen, or be done again.
step_back() {
  case $j_next in
    snapshotted)
      # Services of the new release may have changed the data since: the copy must not be taken again.
      if [ -d "$STATE_DIR/snapshots/$j_id" ] && data_differs "$j_id" "$j_from"; then j_state=snapshotted j_next=started j_snapshot=yes; fi
      ;;
    gated | committed)
      if [ "$(link_id current)" = "$j_id" ]; then
        j_state=committed j_next=-
      elif [ "$j_restore" = - ]; then
        # On the way back the old containers may run already; their gate says nothing about the new release.
        j_state=snapshotted j_next=started
      fi
      ;;
  esac
}

journal_write() {
  # Without a journal nothing may go on: the next step would act on a state that a power cut forgets.
  until write_journal; do
    spend_reserve && continue
    log_error E_JOURNAL "the journal $JOURNAL cannot be written"
    log_line "end${TAB}1"
    exit 1
  done
}

# It takes the place of the one before the last: on a full disk there is still room for that.
write_journal() {
  read_date
  [ ! -f "$JOURNAL.last" ] || mv -f "$JOURNAL.last" "$JOURNAL.new"
  {
    printf 'format\t1\nid\t%s\ngoal\t%s\nstate\t%s\nnext\t%s\n' "$j_id" "$j_goal" "$j_state" "$j_next"
    printf 'from\t%s\nchanged\t%s\nsnapshot\t%s\nrestore\t%s\n' "$j_from" "$j_changed" "$j_snapshot" "$j_restore"
    printf 'placed\t%s\nrename\t%s\nresumes\t%s\ncode\t%s\ntime\t%s\n' "$j_placed" "$j_rename" "$j_resumes" "$j_code" "$now"
  } >"$JOURNAL.new" &&
    sync "$JOURNAL.new" && { [ ! -f "$JOURNAL" ] || ln -f "$JOURNAL" "$JOURNAL.last"; } &&
    mv -f "$JOURNAL.new" "$JOURNAL" && sync "$STATE_DIR"
}

# journal_begin ID GOAL RESTORE RENAME: a new operation on an uploaded release.
journal_begin() {
  j_id=$1 j_goal=$2 j_state=uploaded j_next=verified
  j_from=$(link_id current) j_changed='' j_snapshot=no j_restore=$3 j_placed=- j_rename=${4:-no} j_resumes=0 j_code=-
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
  free_reserve
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
