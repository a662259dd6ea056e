# shellcheck shell=sh
# start-first: a second container of the service is made by Compose itself (`--scale`), on the other port of the two that
# the service publishes; it must pass the service's probes; the proxy in front is pointed at it; the old one finishes what
# it is answering and goes. What is left is a container as any other `docker compose up` makes it.

# A file here says that the service answers on the second of its two ports; nginx asks for it at each request.
SECOND_PORT_DIR=$STATE_DIR/second-port

# service_containers ID SERVICE: as containers_of, without the service's name; the newest first.
service_containers() {
  containers_of "$1" | awk -F'\t' -v service="$2" '$1 == service { sub(/^[^\t]*\t/, ""); print }'
}

has_running_container() {
  service_containers "$1" "$2" | awk -F'\t' '$2 == "running" { found = 1 } END { exit !found }'
}

wanted_hash() {
  compose "$1" config --hash "$2" 2>/dev/null | awk -v service="$2" '$1 == service { print $2 }'
}

# replace_beside ID SERVICE: can be repeated after an interruption at any point; a failure leaves the old container alone.
# `starting` holds all services that are being started.
replace_beside() {
  beside_id=$1 beside_service=$2 beside=
  beside_hash=$(wanted_hash "$1" "$2")
  [ -n "$beside_hash" ] || { log_error E_COMPOSE "Compose gives no hash for $2 of release $1"; return 1; }
  service_containers "$1" "$2" >"$scratch/beside"
  # Halves of an earlier attempt; at least one container runs.
  awk -F'\t' '$2 != "running" { print $1 }' "$scratch/beside" | while IFS= read -r container; do remove_container "$container"; done
  awk -F'\t' '$2 == "running"' "$scratch/beside" >"$scratch/running"
  newest=$(head -n 1 "$scratch/running" | cut -f 1) newest_hash=$(head -n 1 "$scratch/running" | cut -f 6)
  if [ "$newest_hash" = "$beside_hash" ]; then
    if [ "$(wc -l <"$scratch/running")" -gt 1 ]; then
      beside=$newest
    elif ! restarts_after "$1" "$2" "$starting"; then
      return 0
    fi
  fi
  if [ -z "$beside" ]; then
    log_info "starting $2 beside the one that runs"
    start_beside || { remove_newcomers; return 1; }
  fi
  fault_for_test start-first-started
  prove_container "$beside_id" "$beside_service" "$beside" || { remove_container "$beside"; return 1; }
  fault_for_test start-first-proven
  keep_container "$beside_id" "$beside_service" "$beside"
}

start_beside() {
  up "$beside_id" --no-recreate --scale "$beside_service=$(($(wc -l <"$scratch/running") + 1))" "$beside_service" || return 1
  service_containers "$beside_id" "$beside_service" | newcomers >"$scratch/newcomers"
  beside=$(head -n 1 "$scratch/newcomers" | cut -f 1) newest_hash=$(head -n 1 "$scratch/newcomers" | cut -f 6)
  # A container with another hash would be replaced by the next update, with a gap.
  [ "$newest_hash" = "$beside_hash" ] ||
    log_error E_START_FAILED "Compose made no container of $beside_service with the hash $beside_hash"
}

newcomers() {
  awk -F'\t' -v before="$scratch/running" 'BEGIN { while ((getline line < before) > 0) { split(line, field, "\t"); old[field[1]] = 1 } } !($1 in old)'
}

remove_newcomers() {
  service_containers "$beside_id" "$beside_service" | newcomers | while IFS=$TAB read -r container _; do remove_container "$container"; done
}

# prove_container ID SERVICE CONTAINER: it runs, is healthy and answers the service's probes, within the gate's timeout.
prove_container() {
  set_deadline "$1"
  plan_lines "$1" probe | awk -F'\t' -v service="$2" '$1 == service' >"$scratch/own-probes"
  until container_well "$3" && own_probes_pass "$1" "$3"; do
    if [ -n "$interrupted" ]; then log_error E_INTERRUPTED "interrupted by $interrupted while $2 was proven"; return 1; fi
    if time_is_up; then
      log_error E_GATE "the new $2 did not pass its gate, the old one goes on: $beside_problem"
      log_info "last lines of $2:"
      container_log "$3" 20 | log_lines
      return 1
    fi
    sleep 1
  done
}

container_well() {
  beside_problem=$(container_state "$1")
  case $beside_problem in 'running - 0' | 'running healthy 0') return 0 ;; esac
  beside_problem="its container is ${beside_problem:-gone}"
  return 1
}

own_probes_pass() {
  probe_container=$2
  while IFS= read -r probe; do
    probe=$(with_port "$1" "$probe") probe_answer=
    run_probe "$1" "$probe" && continue
    beside_problem="probe '$(printf '%s' "$probe" | tr '\t' ' ')' got: ${probe_answer:-no answer}"
    probe_container=
    return 1
  done <"$scratch/own-probes"
  probe_container=
}

# keep_container ID SERVICE CONTAINER: it gets the traffic, every other container of the service goes.
keep_container() {
  point_proxy "$2" "$3" || return 1
  fault_for_test start-first-switched
  service_containers "$1" "$2" | awk -F'\t' -v kept="$3" '$1 != kept { print $1 }' >"$scratch/leaving"
  while IFS= read -r container; do
    drain "$container" "$(plan_lines "$1" order | awk -F'\t' -v service="$2" '$1 == service { print $3; exit }')"
    log_info "stopping the other $2"
    stop_container "$container" >"$scratch/stop" 2>&1 || { log_error E_STOP_FAILED "the other $2 does not stop: $(tail_of "$scratch/stop")"; return 1; }
    fault_for_test start-first-stopped
    remove_container "$container"
  done <"$scratch/leaving"
}

# surplus_possible ID: this release, or one that was rolled out last, has such a service. Elsewhere each look would only
# make the gap longer.
surplus_possible() {
  for possible_id in "$1" "$j_id" "$j_from"; do
    if [ -f "$(release_dir "$possible_id")/platform" ] && grep -qs "^order$TAB" "$(plan_file "$possible_id")"; then return 0; fi
  done
  return 1
}

# remove_surplus ID [SERVICE]: what a killed run left beside the container that this release needs.
remove_surplus() {
  [ "$may_have_surplus" = yes ] || return 0
  containers_of "$1" | cut -f 1 | sort | uniq -d >"$scratch/surplus"
  while IFS= read -r surplus; do
    [ "${2:-$surplus}" = "$surplus" ] || continue
    kept=$(service_containers "$1" "$surplus" | awk -F'\t' -v hash="$(wanted_hash "$1" "$surplus")" '
      { score = ($6 == hash) * 2 + ($2 == "running"); if (score > best || NR == 1) { best = score; container = $1 } } END { print container }')
    keep_container "$1" "$surplus" "$kept" || return 1
  done <"$scratch/surplus"
}

# point_proxy SERVICE CONTAINER: a service without a published port is found by its name, and needs no pointing.
point_proxy() {
  port=$(published_port "$2")
  [ -n "$port" ] || return 0
  first=$(published_range "$2")
  if [ "$port" = "${first%%-*}" ]; then
    rm -f "$SECOND_PORT_DIR/$1"
  else
    # Whoever runs the proxy must be able to look.
    { mkdir -p "$SECOND_PORT_DIR" && chmod 755 "$SECOND_PORT_DIR" && : >"$SECOND_PORT_DIR/$1"; } ||
      log_error E_FILES "$SECOND_PORT_DIR/$1 cannot be written"
  fi
}

# point_proxies ID: after a boot, a service may have taken the other port.
point_proxies() {
  plan_lines "$1" order | awk -F'\t' '$2 == "start-first" { print $1 }' >"$scratch/pointed"
  for flag in "$SECOND_PORT_DIR"/*; do
    [ ! -f "$flag" ] || grep -qxF -e "${flag##*/}" "$scratch/pointed" || rm -f "$flag"
  done
  while IFS= read -r pointed; do
    container=$(service_containers "$1" "$pointed" | head -n 1 | cut -f 1)
    [ -z "$container" ] || point_proxy "$pointed" "$container" || return 1
  done <"$scratch/pointed"
}

# drain CONTAINER SECONDS: until nobody on this device is connected to its port any more. The first second is for requests
# whose connection is only being made.
drain() {
  port=$(published_port "$1")
  [ -n "$port" ] || return 0
  drain_end=$(($(monotonic_seconds) + ${2:-10}))
  hex_port=$(printf ':%04X' "$port")
  sleep 1
  while [ "$(monotonic_seconds)" -lt "$drain_end" ] &&
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v port="$hex_port" '$4 == "01" && substr($3, length($3) - 4) == port { found = 1 } END { exit !found }'; do
    sleep 0.2
  done
}

# with_port ID LINE: a probe line with `{port}` replaced by the port that the container has now.
with_port() {
  case $2 in *'{port}'*) ;; *) printf '%s' "$2" && return ;; esac
  probed=${probe_container:-$(service_containers "$1" "${2%%"$TAB"*}" | awk -F'\t' '$2 == "running" { print $1; exit }')}
  port=
  [ -z "$probed" ] || port=$(published_port "$probed")
  printf '%s' "$2" | sed "s/{port}/${port:-0}/g"
}

# Test hook: PROSE_SHIP_FAULT=POINT kills the updater there.
fault_for_test() {
  [ "${PROSE_SHIP_FAULT:-}" != "$1" ] || kill -KILL $$
}
