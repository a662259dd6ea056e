# shellcheck shell=sh
# The stack: what runs, what an update changes, stopping and starting in the plan's order.

# stop_services ID SERVICES: stops the containers of SERVICES and of services that release ID does not know at all;
# in the reverse start order of the release that runs them.
stop_services() {
  new_id=$1
  shift
  running_id=$(link_id current)
  [ "$running_id" != - ] || running_id=$new_id
  containers_of "$new_id" >"$scratch/containers"
  plan_services "$new_id" >"$scratch/known"
  for service in "$@"; do echo "$service"; done >"$scratch/wanted"
  {
    plan_services "$running_id" | reversed
    cut -f 1 "$scratch/containers"
  } | awk '!seen[$0]++' >"$scratch/order"
  while IFS= read -r service; do
    grep -qxF -e "$service" "$scratch/wanted" || ! grep -qxF -e "$service" "$scratch/known" || continue
    stop_service "$service" || return 1
  done <"$scratch/order"
}

# A container's own signal and grace period hold; one that restarts in a loop is stopped for good as well.
stop_service() {
  show_maintenance "$new_id" "$1"
  awk -F'\t' -v service="$1" '$1 == service && $3 != "exited" && $3 != "created" { print $2 }' "$scratch/containers" >"$scratch/stopping"
  while IFS= read -r container; do
    log_info "stopping $1"
    if ! stop_container "$container" >"$scratch/stop" 2>&1; then
      log_error E_STOP_FAILED "$1 does not stop: $(tail_of "$scratch/stop")"
      return 1
    fi
  done <"$scratch/stopping"
}

# start_services ID SERVICES: in the given order; then everything else of the file, and what the file no longer knows goes.
start_services() {
  start_id=$1
  shift
  starting=$* may_have_surplus=no
  ! surplus_possible "$start_id" || may_have_surplus=yes
  make_first_containers "$start_id" "$@"
  for service in "$@"; do
    start_service "$start_id" "$service" || return 1
  done
  remove_surplus "$start_id" && start_rest "$start_id" "$@" && point_proxies "$start_id"
}

# start_rest ID SERVICES: whatever else the release has; Compose is not asked where everything was started just now and there
# is nothing else, because that takes it seconds on a small board.
start_rest() {
  rest_id=$1
  shift
  containers_of "$rest_id" >"$scratch/containers"
  for service in "$@"; do echo "$service"; done >"$scratch/just-started"
  if { plan_services "$rest_id" && cut -f 1 "$scratch/containers"; } | grep -qvxF -f "$scratch/just-started"; then
    up_lasting "$rest_id" --remove-orphans && containers_of "$rest_id" >"$scratch/containers" || return 1
  fi
  start_idle "$rest_id"
}

start_service() {
  if starts_first "$1" "$2" && has_running_container "$1" "$2"; then
    replace_beside "$1" "$2"
  else
    log_info "starting $2"
    remove_surplus "$1" "$2" && { start_made "$2" || up "$1" "$2"; } && finish_oneshot "$1" "$2"
  fi
}

# start_made SERVICE: its container, if make_first_containers made one. Where it does not start, `up` tells why.
start_made() {
  made=$(awk -F'\t' -v service="$1" '$1 == service { print $2 }' "$scratch/made")
  [ -n "$made" ] && start_container "$made" >"$scratch/up" 2>&1
}

# A container that ended while the disk was full still counts as running for whoever lists containers, Compose among them.
start_idle() {
  plan_lines "$1" oneshot >"$scratch/oneshots"
  awk -F'\t' -v oneshots="$scratch/oneshots" '
    BEGIN { while ((getline line < oneshots) > 0) once[line] = 1 }
    $3 == "exited" && $6 != "no" && !($1 in once) { print $2 }' "$scratch/containers" >"$scratch/idle"
  while IFS= read -r container; do
    start_container "$container" >"$scratch/up" 2>&1 || { log_error E_START_FAILED "starting failed: $(tail_of "$scratch/up")"; return 1; }
  done <"$scratch/idle"
}
