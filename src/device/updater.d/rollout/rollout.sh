# shellcheck shell=sh
# The state machine. uploaded → verified → loaded → synced | → stopped → snapshotted → started → gated → committed;
# left of the bar nothing that runs is touched, right of it any failure goes back to the old release.

verb_receive() {
  recover_unfinished && begin "$1" prepare && advance_to verified
}

verb_prepare() {
  recover_unfinished && begin "$1" prepare && advance_to synced
}

verb_rollout() {
  recover_unfinished || return
  if [ "$(link_id current)" = "$1" ] && [ ! -d "$INCOMING_DIR/$1" ]; then
    log_info "release $1 is the current one already; making sure that it is up"
    bring_up_current
    return
  fi
  begin "$1" rollout - "${2:-}" && advance_to synced && replace_running
}

# Backwards is the same road: the target is verified and loaded like any release before anything stops.
verb_rollback() {
  recover_unfinished || return
  target=${1:-$(link_id previous)}
  current=$(link_id current)
  if [ "$target" = - ]; then log_error E_ROLLBACK_IMPOSSIBLE "there is no previous release"; return 3; fi
  if [ "$target" = "$current" ]; then log_error E_ROLLBACK_IMPOSSIBLE "release $target is the current one"; return 3; fi
  if [ ! -d "$(release_dir "$target")" ]; then log_error E_ROLLBACK_IMPOSSIBLE "release $target is not kept here"; return 3; fi
  engine_answers || return 3
  missing=$(missing_images "$target")
  if [ -n "$missing" ]; then log_error E_ROLLBACK_IMPOSSIBLE "images of release $target are gone: $missing"; return 3; fi
  choose_data "$target" "$current" || return 3
  begin "$target" rollback "$restore" && advance_to synced && replace_running
}

# Data of a newer format, or under other names, is of no use to an older release: the copy from before goes back in place.
choose_data() {
  restore=-
  data_differs "$1" "$2" || return 0
  [ "$(data_version "$1")" -lt "$(data_version "$2")" ] || [ -n "$(changed_names "$1" "$2")" ] || return 0
  restore=$(copy_for "$1" "$2")
  [ "$restore" != - ] || {
    log_error E_ROLLBACK_IMPOSSIBLE "the data has version $(data_version "$2") and names $(data_names "$2" | cut -f 2 | tr '\n' ' ')now, release $1 needs $(data_version "$1") and $(data_names "$1" | cut -f 2 | tr '\n' ' ')and no copy from before is left"
    return 1
  }
  log_warning "the data goes back to the copy from before release $restore; today's is kept in $SNAPSHOTS_DIR/$1"
}

# begin ID GOAL [RESTORE [rename]]: where a release starts from. What was prepared before and not damaged since passes quickly.
begin() {
  if ! { engine_answers && receive_release "$1"; }; then return 3; fi
  journal_begin "$1" "$2" "${3:--}" "${4:+yes}"
}

# advance_to STATE: the harmless part. A failure here is a refusal: exit status 3.
advance_to() {
  while [ "$j_state" != "$1" ]; do
    if [ -n "$interrupted" ]; then log_error E_INTERRUPTED "interrupted by $interrupted; nothing was touched"; journal_settle; return 3; fi
    next=$(state_after "$j_state")
    journal_intend "$next"
    if ! prepare_step "$next"; then journal_settle; return 3; fi
    journal_reach "$next" "$(prepared_next "$1")"
  done
}

# What comes after $next on the way to state $1: after the last one a rollout goes on to prove that it may stop anything.
prepared_next() {
  if [ "$next" != "$1" ]; then
    state_after "$next"
  elif [ "$j_goal" != prepare ]; then
    echo proven
  fi
}

state_after() {
  case $1 in
    uploaded) echo verified ;;
    verified) echo loaded ;;
    loaded) echo synced ;;
    synced) echo stopped ;;
    stopped) echo snapshotted ;;
    snapshotted) echo started ;;
    started) echo gated ;;
    gated) echo committed ;;
  esac
}

prepare_step() {
  case $1 in
    verified) verify_release "$j_id" ;;
    loaded) load_images "$j_id" ;;
    synced) install_files "$j_id" && sync_release "$j_id" ;;
  esac
}

# A boot that brings up the first release of a host, as that of a card does.
is_first_boot() {
  [ "$logged_verb $j_from" = 'boot -' ]
}

# Everything that can be known before the stop is asked before the stop.
prove_rollout() {
  missing=$(missing_images "$j_id")
  if [ -n "$missing" ]; then log_error E_IMAGE_MISSING "images of release $j_id are missing: $missing"; return 1; fi
  check_versions "$j_id" "$j_from" && check_secrets "$j_id" && check_host_files "$j_id" && check_ports "$j_id" || return 1
  if [ "$j_from" != - ]; then
    missing=$(missing_images "$j_from")
    if [ -n "$missing" ]; then log_error E_ROLLBACK_IMPOSSIBLE "images of the current release $j_from are gone: $missing"; return 1; fi
    install_files "$j_from" && check_services "$j_from" || return 1
    if data_differs "$j_id" "$j_from"; then check_space_for_snapshot "$j_id" "$j_from" || return 1; fi
  fi
  # Asking Compose takes seconds that a card's first boot need not: there is nothing yet that could stay.
  if is_first_boot; then
    j_changed=$(plan_services "$j_id")
  else
    j_changed=$(changed_services "$j_id") || { ! check_services "$j_id" || log_error E_COMPOSE "Compose gives no hashes for release $j_id"; return 1; }
  fi
  # shellcheck disable=SC2086
  j_changed=$(with_dependents "$j_id" $j_changed)
  # A consistent copy needs every writer stopped.
  if data_differs "$j_id" "$j_from"; then j_changed=$(plan_services "$j_id"); fi
  j_changed=$(printf '%s' "$j_changed" | tr '\n' ' ')
  if [ -n "$interrupted" ]; then log_error E_INTERRUPTED "interrupted by $interrupted; nothing was touched"; return 1; fi
  hold_reserve
}

# From `synced` to `committed`.
replace_running() {
  if ! { prove_rollout && refusable_hooks before-stop; }; then journal_settle; return 3; fi
  log_info "services to replace: ${j_changed:-none}"
  journal_intend stopped
  go_on
}

# The part that must end in the new or in the old release.
go_on() {
  while [ "$j_state" != committed ]; do
    next=$(state_after "$j_state")
    journal_intend "$next"
    { before_step "$next" && replace_step "$next"; } || { revert; return; }
    # After the gate an interruption comes too late: the new release is proven, the rest takes milliseconds.
    if [ -n "$interrupted" ] && [ "$next" != gated ] && [ "$next" != committed ]; then
      log_error E_INTERRUPTED "interrupted by $interrupted"
      revert
      return
    fi
    journal_reach "$next" "$(state_after "$next")"
    after_step "$next"
  done
  journal_settle
  log_info "release $j_id is the current one"
  warn_of_host "$j_id"
  prune_after_commit
}

replace_step() {
  # shellcheck disable=SC2046,SC2086
  case $1 in
    stopped) stop_services "$j_id" $(stop_ahead "$j_id" $j_changed) ;;
    snapshotted) snapshot_step ;;
    started) start_step ;;
    gated) gate "$j_id" ;;
    committed) commit ;;
  esac
}

# After a power cut the engine has started what always restarts, and a killed start may have got half-way: nothing may be
# writing while data is copied.
stop_all() {
  [ "$j_rename" = no ] || end_rename
  # shellcheck disable=SC2046
  stop_services "$j_id" $(plan_services "$j_id")
}

# place_data WHAT COMMAND: once. As soon as services run they write, and whoever takes this up again must not put older data
# over that. The journal says so twice: also the one before the last, which counts where the last is damaged.
place_data() {
  [ "$j_placed" != "$1" ] || return 0
  placed=$1
  shift
  stop_all && "$@" || return 1
  j_placed=$placed
  journal_write
  journal_write
}

snapshot_step() {
  data_differs "$j_id" "$j_from" || return 0
  stop_all || return 1
  take_snapshot "$j_id" "$j_from" && j_snapshot=yes
}

start_step() {
  if [ "$j_restore" != - ]; then place_data "$j_restore" restore_snapshot "$j_restore" || return 1; fi
  if [ "$j_rename" = yes ]; then place_data renamed rename_data || return 1; fi
  # shellcheck disable=SC2086
  apply_host_files "$j_id" && start_services "$j_id" $j_changed
}

# The only place where current and previous change. The journal knows both ids, so doing it twice does no harm.
commit() {
  [ "$j_from" = - ] || [ "$j_from" = "$j_id" ] || set_link previous "$j_from" || return 1
  set_link current "$j_id"
}

# Back to the release that ran before. Exit status 4, or 1 where even that one does not come up.
revert() {
  interrupted=
  [ -z "$error_code" ] || j_code=$error_code
  journal_intend rolled-back
  spend_reserve
  # It may have been the engine that failed; whoever watches over it starts it again.
  wait_for_engine
  harmless_hooks before-rollback
  if [ "$j_from" = - ]; then
    remove_first_install
    reverted=$?
  else
    log_warning "going back to release $j_from"
    reverted=0
    until return_to_previous; do
      if disk_is_full && spend_reserve; then log_warning "the disk is full; once more, with the rest of what was set aside" && continue; fi
      reverted=1
      break
    done
  fi
  if [ "$reverted" -ne 0 ]; then
    log_error E_ROLLBACK_FAILED "the way back to release $j_from did not end well; the next boot or run tries again"
    return 1
  fi
  error_code=$j_code
  journal_reach rolled-back
  harmless_hooks after-rollback
  return 4
}

remove_first_install() {
  take_down "$j_id" >"$scratch/down" 2>&1 ||
    { log_error E_STOP_FAILED "the stack cannot be taken down: $(tail_of "$scratch/down")"; return 1; }
  hide_maintenance
  rm -f "$SECOND_PORT_DIR"/*
  restore_host_files - || return 1
  log_warning "there was no release before $j_id: nothing runs now; its data was kept"
}

return_to_previous() {
  if [ "$j_snapshot" = yes ]; then place_data "$j_id" restore_snapshot "$j_id" || return 1; fi
  back=$(changed_services "$j_from") || return 1
  # Those that the new release changed and the old one needs otherwise stop first: ports must be free.
  # shellcheck disable=SC2046,SC2086
  {
    back=$(with_dependents "$j_from" $back)
    stop_services "$j_from" $(stop_first "$j_from" $back) && restore_host_files "$j_from" && start_services "$j_from" $back && gate "$j_from"
  }
}
