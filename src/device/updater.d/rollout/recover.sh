# shellcheck shell=sh
# After a kill or a power cut: finish or revert.

# recover_unfinished: what an earlier run left half-way (killed, power cut) is finished or reverted before anything new.
recover_unfinished() {
  recover_data || return 1
  if ! journal_load || [ "$j_next" = - ]; then
    # A run that was killed right after its last step could not do so any more.
    free_reserve
    return 0
  fi
  unfinished=$j_id
  log_info "found release $j_id at '$j_state' on the way to '$j_next'"
  engine_answers || return 1
  case $j_next in
    verified | loaded | synced | proven) recover_preparation ;;
    rolled-back) remove_unstarted "$j_id" && revert_again ;;
    *) remove_unstarted "$j_id" && recover_replacement ;;
  esac
}

# An image that was loaded but not synced may be hollow after a power cut, so loading starts over.
recover_preparation() {
  remove_trial
  if [ "$j_goal" = prepare ] || ! may_resume; then
    [ ! -d "$(release_dir "$j_id")" ] || [ "$j_next" = verified ] || [ "$j_next" = proven ] || discard_images "$j_id"
    journal_settle
    return 0
  fi
  [ "$j_state" != loaded ] || j_state=verified
  advance_to synced && replace_running
  recovered=$?
  # Refused: nothing was touched, and the caller's own work can go on.
  if [ "$recovered" = 3 ]; then error_code= && return 0; fi
  accept_recovery "$recovered"
}

recover_replacement() {
  if may_resume; then
    go_on
  else
    log_error E_INTERRUPTED "release $j_id was interrupted too often ($j_resumes times)"
    revert
  fi
  accept_recovery $?
}

revert_again() {
  [ "$j_code" = - ] || error_code=$j_code
  revert
  accept_recovery $?
}

# remove_unstarted ID: what a Compose that was killed had made beside the container that it was to replace. The next one gives
# its own the same name, and may find it taken.
remove_unstarted() {
  containers_of "$1" | awk -F'\t' '
    { all[$1]++ }
    $3 == "created" { found[$1] = found[$1] $2 "\n"; unstarted[$1]++ }
    END { for (service in found) if (unstarted[service] < all[service]) printf "%s", found[service] }' >"$scratch/unstarted"
  while IFS= read -r container; do remove_container "$container"; done <"$scratch/unstarted"
}

may_resume() {
  limit=$max_resumes
  [ "$j_from" != - ] || limit=$max_first_resumes
  [ "$j_resumes" -lt "$limit" ] || return 1
  j_resumes=$((j_resumes + 1))
  journal_write
}

# Both ends of a rollout are a known state from which the caller can go on.
accept_recovery() {
  error_code=
  [ "$1" = 0 ] || [ "$1" = 4 ]
}

verb_boot() {
  wait_for_engine || return 1
  recover_unfinished || return 1
  sweep_backups
  bring_up_current || return
  current=$(link_id current)
  [ "$current" = - ] || prove_running "$current"
}

wait_for_engine() {
  tries=0
  until engine_is_up; do
    tries=$((tries + 1))
    if [ "$tries" -gt 120 ]; then engine_answers; return 1; fi
    sleep 1
  done
}

bring_up_current() {
  current=$(link_id current)
  if [ "$current" = - ]; then retry_first_install; return; fi
  install_files "$current" || return 1
  # Services without the proxy in front are better than none.
  remove_unstarted "$current"
  restore_host_files "$current" || log_warning "release $current comes up without all of its host files"
  changed=$(changed_services "$current") || { log_error E_COMPOSE "Compose refuses the file of release $current"; return 1; }
  # shellcheck disable=SC2086
  start_services "$current" $changed || return 1
  end_maintenance "$current"
  log_info "release $current is up"
}

# A first release that did not pass its gate is tried again at each later boot: nothing else could run here, and what was
# missing (power that was weak, a network that came late) may be there then.
retry_first_install() {
  if [ "$j_state" != rolled-back ] || [ "$j_from" != - ] || [ "$j_goal" != rollout ] || [ ! -d "$(release_dir "$j_id")" ]; then
    log_info 'no release is installed'
    return 0
  fi
  [ "${unfinished:-}" != "$j_id" ] || { error_code=$j_code && return 4; }
  log_info "trying release $j_id again"
  begin "$j_id" rollout && advance_to synced && replace_running
}
