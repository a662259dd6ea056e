# shellcheck shell=sh
# The gate: a release counts as running when its containers run, stay running and answer. Polled here each second,
# because `docker compose up --wait` fails on services that crash once and recover.

# set_deadline ID: the time that the plan gives a release to become well begins; one thing is waited for at a time.
set_deadline() {
  timeout_seconds=$(plan_value "$1" gate 1)
  timeout_seconds=${timeout_seconds:-60}
  # There is nothing to go back to, and a small board does everything for the first time.
  ! is_first_boot || timeout_seconds=$((3 * timeout_seconds))
  deadline=$(($(monotonic_seconds) + timeout_seconds))
}

time_is_up() {
  [ "$(monotonic_seconds)" -ge "$deadline" ]
}

# gate ID: waits until everything is well, at most the plan's timeout, then soaks. E_GATE names what was not well last.
gate() {
  soak_seconds=$(plan_value "$1" gate 2)
  set_deadline "$1"
  log_info "waiting for the gate, at most $timeout_seconds s"
  gate_problem='' gate_service='' gate_hopeless=no
  observe "$1" && remember_restarts
  until containers_well "$1" && probes_pass "$1"; do
    if [ -n "$interrupted" ]; then log_error E_INTERRUPTED "interrupted by $interrupted while waiting for the gate"; return 1; fi
    if [ "$gate_hopeless" = yes ] || time_is_up; then gate_failed "$1"; return 1; fi
    sleep 1
  done
  hide_maintenance
  # Nobody watches there, and there is nothing to go back to.
  ! is_first_boot || return 0
  soak "$1" "${soak_seconds:-0}"
}

# While it soaks, nothing may restart or become unhealthy, not even between two looks: the engine's events tell.
# A probe's answer that is late on a busy board proves nothing; three wrong ones without ten good ones in a row do.
soak() {
  soak_end=$(($(monotonic_seconds) + $2)) soak_misses=0 soak_passes=0 soak_failed=no
  : >"$scratch/unhealthy"
  if [ "$2" -gt 0 ]; then
    log_info "all probes pass; watching for $2 s"
    watch_health "$1" "$2"
  fi
  until soak_round "$1" && [ "$(monotonic_seconds)" -ge "$soak_end" ]; do
    [ "$soak_failed" = no ] || break
    sleep 1
  done
  if [ "$2" -gt 0 ]; then { kill "$watching" && wait "$watching"; } 2>/dev/null; fi
  [ "$soak_failed" = no ]
}

# soak_round ID: true when everything answers; soak_failed=yes ends the soak.
soak_round() {
  soak_failed=yes
  if [ -n "$interrupted" ]; then log_error E_INTERRUPTED "interrupted by $interrupted while watching the new release"; return 1; fi
  containers_well "$1" || { gate_failed "$1"; return 1; }
  probes_pass "$1"
  answered=$?
  stayed_healthy || { gate_failed "$1"; return 1; }
  if [ "$answered" = 0 ]; then
    soak_failed=no soak_passes=$((soak_passes + 1))
    [ "$soak_passes" -lt 10 ] || soak_misses=0
    return 0
  fi
  soak_passes=0 soak_misses=$((soak_misses + 1))
  if [ "$soak_misses" -ge 3 ]; then gate_failed "$1"; else soak_failed=no; fi
  return 1
}

stayed_healthy() {
  [ -s "$scratch/unhealthy" ] || return 0
  gate_service=$(head -n 1 "$scratch/unhealthy")
  gate_problem="service $gate_service became unhealthy while it was watched"
  return 1
}

observe() {
  heartbeat
  containers_of "$1" >"$scratch/observed"
}

remember_restarts() {
  cut -f 2,5 "$scratch/observed" >"$scratch/restarts"
}

# Every service of the plan has a container that runs, is healthy where it has a health check, and did not restart
# since the last look. A crash is not the end yet (it may recover before the timeout), unless nothing will restart it.
# A one-shot service is well when it has ended with exit status 0.
containers_well() {
  observe "$1"
  plan_services "$1" >"$scratch/expected"
  plan_lines "$1" oneshot >"$scratch/oneshots"
  gate_problem=$(awk -F'\t' -v restarts="$scratch/restarts" -v observed="$scratch/observed" -v oneshots="$scratch/oneshots" '
    BEGIN {
      while ((getline line < oneshots) > 0) once[line] = 1
      while ((getline line < restarts) > 0) { split(line, field, "\t"); before[field[1]] = field[2] }
      while ((getline line < observed) > 0) { split(line, field, "\t"); seen[field[1]] = line }
    }
    {
      if (!($0 in seen)) { print $0 "\tno\thas no container"; exit }
      split(seen[$0], field, "\t")
      if ($0 in once) {
        if (field[3] == "exited" && field[8] == 0) next
        if (field[3] == "exited") print $0 "\tyes\tended with exit status " field[8]; else print $0 "\tno\tis still " field[3]
        exit
      }
      if (field[3] != "running") { print $0 "\t" ((field[3] == "exited" && field[6] == "no") ? "yes" : "no") "\tis " field[3]; exit }
      if ((field[2] in before) && field[5] != before[field[2]]) { print $0 "\tno\trestarted (" field[5] " times)"; exit }
      if (field[4] != "-" && field[4] != "healthy") { print $0 "\tno\tis " field[4]; exit }
    }' "$scratch/expected")
  remember_restarts
  [ -n "$gate_problem" ] || return 0
  gate_service=${gate_problem%%"$TAB"*}
  gate_hopeless=${gate_problem#*"$TAB"}
  gate_hopeless=${gate_hopeless%%"$TAB"*}
  gate_problem="service $gate_service ${gate_problem##*"$TAB"}"
  return 1
}

probes_pass() {
  plan_lines "$1" probe >"$scratch/probes"
  while IFS= read -r probe; do
    gate_service=${probe%%"$TAB"*}
    probe_answer=
    run_probe "$1" "$probe" && continue
    gate_problem="probe '$(printf '%s' "$probe" | tr '\t' ' ')' got: ${probe_answer:-no answer}"
    return 1
  done <"$scratch/probes"
}

gate_failed() {
  log_error E_GATE "the gate of release $1 did not pass: $gate_problem"
  container=$(awk -F'\t' -v service="$gate_service" '$1 == service { print $2; exit }' "$scratch/observed")
  if [ -n "$container" ]; then
    log_info "last lines of $gate_service:"
    container_log "$container" 20 | log_lines
  fi
  return 1
}
