# shellcheck shell=sh
# What is under way with the data (a backup, a restore), and how the next run or boot ends it.

# Written whole before each step.
DATA_JOURNAL=$STATE_DIR/data-journal

d_verb=- d_step=-

# data_step STEP: writes the journal; the folders of a restore stand in $scratch/targets.
data_step() {
  d_step=$1
  {
    { printf 'format\t1\nverb\t%s\nstep\t%s\n' "$d_verb" "$d_step" && sed "s/^/target$TAB/" "$scratch/targets"; } >"$DATA_JOURNAL.new" &&
      sync "$DATA_JOURNAL.new" && mv -f "$DATA_JOURNAL.new" "$DATA_JOURNAL" && sync "$STATE_DIR"
  } || { log_error E_JOURNAL "the journal $DATA_JOURNAL cannot be written"; return 1; }
  data_fault "$d_step"
}

# Test hook: PROSE_SHIP_FAULT=backup-STEP or restore-STEP kills the updater there.
data_fault() {
  [ "${PROSE_SHIP_FAULT:-}" != "$d_verb-$1" ] || kill -KILL $$
}

data_settled() {
  rm -f "$DATA_JOURNAL" && sync "$STATE_DIR"
}

# recover_data: ends what a kill or a power cut left of a backup or restore. A restore that was not committed goes back.
recover_data() {
  [ -f "$DATA_JOURNAL" ] || return 0
  d_verb=$(sed -n "s/^verb$TAB//p" "$DATA_JOURNAL") d_step=$(sed -n "s/^step$TAB//p" "$DATA_JOURNAL")
  sed -n "s/^target$TAB//p" "$DATA_JOURNAL" >"$scratch/targets"
  log_info "found a $d_verb of the data at '$d_step'"
  engine_answers || return 1
  current=$(link_id current)
  if [ "$d_verb $d_step" = 'restore swapping' ]; then
    users=$(plan_services "$current")
    log_warning 'going back to the data from before'
    put_back_data || { log_error E_ROLLBACK_FAILED 'the data from before cannot be put back'; return 1; }
  fi
  drop_staging
  sweep_backups
  bring_up_current || log_warning "release $current did not come up"
  data_settled
}
