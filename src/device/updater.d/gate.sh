# shellcheck shell=sh
# The gate: a release counts as running when its containers run, stay running and answer. Polled here each second,
# because `docker compose up --wait` fails on services that crash once and recover.

# Longest time that one probe may take. A board that is still starting up may need more than five seconds for a TLS stream.
probe_seconds=15

# gate ID: waits until everything is well, at most the plan's timeout, then soaks. E_GATE names what was not well last.
gate() {
  timeout_seconds=$(plan_value "$1" gate 1)
  soak_seconds=$(plan_value "$1" gate 2)
  deadline=$(($(monotonic_seconds) + ${timeout_seconds:-60}))
  log_info "waiting for the gate, at most ${timeout_seconds:-60} s"
  gate_problem='' gate_service='' gate_hopeless=no
  observe "$1" && remember_restarts
  until containers_well "$1" && probes_pass "$1"; do
    if [ -n "$interrupted" ]; then log_error E_INTERRUPTED "interrupted by $interrupted while waiting for the gate"; return 1; fi
    if [ "$gate_hopeless" = yes ] || [ "$(monotonic_seconds)" -ge "$deadline" ]; then gate_failed "$1"; return 1; fi
    sleep 1
  done
  soak "$1" "${soak_seconds:-0}"
}

soak() {
  [ "$2" -eq 0 ] || log_info "all probes pass; watching for $2 s"
  soak_end=$(($(monotonic_seconds) + $2))
  while [ "$(monotonic_seconds)" -lt "$soak_end" ]; do
    if [ -n "$interrupted" ]; then log_error E_INTERRUPTED "interrupted by $interrupted while watching the new release"; return 1; fi
    sleep 1
    containers_well "$1" || { gate_failed "$1"; return 1; }
  done
  # One answer that is late on a busy board proves nothing; three do.
  tries=1
  until { containers_well "$1" || { gate_failed "$1"; return 1; }; } && probes_pass "$1"; do
    if [ -n "$interrupted" ]; then log_error E_INTERRUPTED "interrupted by $interrupted while watching the new release"; return 1; fi
    if [ "$tries" -ge 3 ]; then gate_failed "$1"; return 1; fi
    tries=$((tries + 1))
    sleep 1
  done
}

observe() {
  containers_of "$1" >"$scratch/observed"
}

remember_restarts() {
  cut -f 2,5 "$scratch/observed" >"$scratch/restarts"
}

# Every service of the plan has a container that runs, is healthy where it has a health check, and did not restart
# since the last look. A crash is not the end yet (it may recover before the timeout), unless nothing will restart it.
containers_well() {
  observe "$1"
  plan_services "$1" >"$scratch/expected"
  gate_problem=$(awk -F'\t' -v restarts="$scratch/restarts" -v observed="$scratch/observed" '
    BEGIN {
      while ((getline line < restarts) > 0) { split(line, field, "\t"); before[field[1]] = field[2] }
      while ((getline line < observed) > 0) { split(line, field, "\t"); seen[field[1]] = line }
    }
    {
      if (!($0 in seen)) { print $0 "\tno\thas no container"; exit }
      split(seen[$0], field, "\t")
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
    docker logs --tail 20 "$container" 2>&1 | log_lines
  fi
  return 1
}

# run_probe ID LINE: leaves what came back in probe_answer.
run_probe() {
  probe_id=$1
  saved_ifs=$IFS
  IFS=$TAB
  set -f
  # shellcheck disable=SC2086
  set -- $2
  set +f
  IFS=$saved_ifs
  service=$1 kind=$2
  shift 2
  case $kind in
    tcp) probe_tcp "$1" "$2" ;;
    http) probe_http "$1" "$2" ;;
    xmpp) probe_xmpp "$1" "$2" "$3" ;;
    command) probe_command "$probe_id" "$service" "$@" ;;
    *) probe_answer="this updater knows no probe '$kind'" && return 1 ;;
  esac
}

bracketed() {
  case $1 in *:*) printf '[%s]' "$1" ;; *) printf '%s' "$1" ;; esac
}

# Docker's proxy accepts a published port although nothing listens behind it, and closes at once. So a connection
# counts when it stays open for a second or brings bytes. curl's telnet sends nothing by itself; its input stays open.
probe_tcp() {
  probe_answer=$(sleep 1.2 | timeout "$probe_seconds" curl --silent --noproxy '*' --max-time 1 --output "$scratch/tcp" \
    --write-out '%{time_connect} %{size_download}' "telnet://$(bracketed "$1"):$2" 2>/dev/null)
  tcp_status=$?
  case $probe_answer in
    '' | 0.000000*) probe_answer='no connection' && return 1 ;;
  esac
  if [ "$tcp_status" = 28 ] || [ -s "$scratch/tcp" ]; then return 0; fi
  probe_answer='the connection was closed at once'
  return 1
}

# The answer counts, not who vouches for the certificate: the probe asks the device itself.
probe_http() {
  probe_answer=$(timeout "$probe_seconds" curl --silent --insecure --noproxy '*' --max-time "$probe_seconds" \
    --output /dev/null --write-out '%{http_code}' "$1" 2>/dev/null)
  [ "$probe_answer" = "$2" ] || { probe_answer="HTTP status $probe_answer" && return 1; }
}

# RFC 6120: stream header, STARTTLS, TLS, a new stream header, and SASL mechanisms offered inside TLS.
probe_xmpp() {
  {
    printf "<?xml version='1.0'?><stream:stream to='%s' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>" "$3"
    sleep 1
    printf '</stream:stream>'
  } | timeout "$probe_seconds" openssl s_client -quiet -connect "$(bracketed "$1"):$2" -starttls xmpp -xmpphost "$3" \
    -servername "$3" >"$scratch/xmpp" 2>"$scratch/xmpp-errors"
  if grep -q '<mechanism[ >]' "$scratch/xmpp"; then return 0; fi
  probe_answer=$(one_line "$(tail -c 300 "$scratch/xmpp")")
  if [ -z "${probe_answer# }" ]; then
    reason=$(tail_of "$scratch/xmpp-errors" 2)
    probe_answer="no TLS stream: ${reason:-no STARTTLS for $3 was offered}"
  fi
  return 1
}

probe_command() {
  command_id=$1
  shift
  # `timeout` cannot run a function of ours, so the command line stands here once more.
  timeout -k 2 "$((2 * probe_seconds))" docker compose --project-name "$(project_of "$command_id")" \
    --file "$(release_dir "$command_id")/compose.yaml" exec -T "$@" </dev/null >"$scratch/command" 2>&1
  command_status=$?
  probe_answer="exit status $command_status: $(tail_of "$scratch/command")"
  return "$command_status"
}
