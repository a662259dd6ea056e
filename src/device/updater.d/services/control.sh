# shellcheck shell=sh
# Stopping, starting and restarting services of the current release by hand. What was stopped stays so until it is started,
# the next update, or the next boot.

# choose_services [SERVICES]: in $chosen, in start order; all where none is named.
choose_services() {
  current=$(link_id current)
  engine_answers || return 1
  [ "$current" != - ] || { log_error E_NOTHING_DEPLOYED 'no release runs here'; return 1; }
  for service in "$@"; do
    plan_services "$current" | grep -qxF -e "$service" ||
      { log_error E_UNKNOWN_SERVICE "release $current has no service '$service'; it has $(plan_services "$current" | tr '\n' ' ')"; return 1; }
  done
  for service in "$@"; do echo "$service"; done >"$scratch/named"
  chosen=$(plan_services "$current" | { if [ $# -gt 0 ]; then grep -xF -f "$scratch/named"; else cat; fi; } | tr '\n' ' ')
  may_have_surplus=no starting=$chosen
}

verb_stop_services() {
  recover_unfinished || return
  choose_services "$@" || return 3
  # shellcheck disable=SC2086
  stop_services "$current" $chosen
}

verb_start_services() {
  recover_unfinished || return
  choose_services "$@" || return 3
  start_chosen
}

# Services that must restart after one of these do.
verb_restart_services() {
  recover_unfinished || return
  choose_services "$@" || return 3
  # shellcheck disable=SC2086
  chosen=$(with_dependents "$current" $chosen | tr '\n' ' ')
  # shellcheck disable=SC2086
  stop_services "$current" $chosen && start_chosen
}

start_chosen() {
  install_files "$current" || return 1
  for chosen_service in $chosen; do start_service "$current" "$chosen_service" || return 1; done
  hide_maintenance
  well_if_whole "$current"
}

# well_if_whole ID: where everything is up again it must answer, as after an update; a part says nothing.
well_if_whole() {
  observe "$1" && remember_restarts
  running=$(awk -F'\t' '$3 == "running" || $3 == "restarting" { print $1 }' "$scratch/observed" | sort -u | wc -l)
  [ "$running" -ge "$(plan_services "$1" | grep -vxF -e "$(plan_lines "$1" oneshot)" | wc -l)" ] || return 0
  set_deadline "$1"
  gate_problem='' gate_service='' gate_hopeless=no
  until containers_well "$1" && probes_pass "$1"; do
    if [ "$gate_hopeless" = yes ] || [ -n "$interrupted" ] || time_is_up; then gate_failed "$1"; return 1; fi
    sleep 1
  done
  log_info 'everything answers'
}
