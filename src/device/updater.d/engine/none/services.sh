# shellcheck shell=sh
# Services without an engine: processes of this user, each under a supervisor of ours (supervise.sh).
# services/NAME/ holds what the supervisor must know (definition), what it says (state), who it is (supervisor), the
# output of the service (log), and what the service finds: tree, files/, volumes/, secrets, run/.

SERVICES_DIR=$STATE_DIR/services

engine_is_up() {
  :
}

engine_answers() {
  :
}

engine_version() {
  echo none
}

compose_version() {
  echo none
}

check_services() {
  :
}

# check_engine_plan ID: what a plan may ask of a host without an engine and without root.
check_engine_plan() {
  if [ "$(plan_value "$1" engine 1)" != none ]; then
    log_error E_WRONG_ENGINE "release $1 needs a Docker engine, and this host has none"
    return 1
  fi
  for directive in hostfile order oneshot; do
    [ -z "$(plan_lines "$1" "$directive")" ] || { log_error E_PLAN "the plan of release $1 asks for '$directive', which a host without an engine and root has not"; return 1; }
  done
  wrong=$(plan_services "$1" | while IFS= read -r service; do [ -n "$(process_field "$1" "$service" 1)" ] || printf '%s ' "$service"; done)
  [ -z "$wrong" ] || log_error E_PLAN "the plan of release $1 does not say how these services run without an engine: $wrong"
}

# process_field ID SERVICE FIELD: 1 hash and 2 name of the entrypoint, 3 seconds that it may take to stop.
process_field() {
  plan_lines "$1" process | awk -F'\t' -v service="$2" -v field="$3" '$1 == service { print $(field + 1); exit }'
}

# image_of ID SERVICE
image_of() {
  plan_lines "$1" service | awk -F'\t' -v service="$2" '$1 == service { print $2; exit }' | {
    IFS= read -r image_component
    plan_lines "$1" image | awk -F'\t' -v component="$image_component" '$1 == component { print $2; exit }'
  }
}

# definition_of ID SERVICE: everything that makes the service another one when it changes, and nothing else.
definition_of() {
  definition_image=$(image_of "$1" "$2")
  printf 'project\t%s\nimage\t%s\n' "$(project_of "$1")" "$definition_image"
  printf 'entrypoint\t%s/%s/%s\n' "$FILES_DIR" "$(process_field "$1" "$2" 1)" "$(process_field "$1" "$2" 2)"
  printf 'stop\t%s\n' "$(process_field "$1" "$2" 3)"
  plan_lines "$1" process-command | awk -F'\t' -v service="$2" '$1 == service { for (i = 2; i <= NF; i++) print "argument\t" $i }'
  plan_lines "$1" process-variable | awk -F'\t' -v service="$2" '$1 == service { print "variable\t" $2 "\t" $3 }'
  plan_lines "$1" file | awk -F'\t' '{ print "file\t" $1 "\t" $2 }'
  plan_lines "$1" data | tr '\t' '\n' | sed -e 1d -e "s/^/volume$TAB/"
}

definition_hash() {
  sha256sum | cut -c 1-64
}

# containers_of ID: service, process, state, health (`-`), restart count, restart policy, hash of the definition, exit status.
containers_of() {
  for service_dir in "$SERVICES_DIR"/*; do
    [ -f "$service_dir/definition" ] || continue
    read_service "$service_dir"
    printf '%s\t%s\t%s\t-\t%s\talways\t%s\t%s\n' "${service_dir##*/}" "${service_dir##*/}@${s_supervisor:-0}" "$s_state" "$s_restarts" \
      "$(definition_hash <"$service_dir/definition")" "$s_status"
  done
}

# read_service DIRECTORY: state (running, restarting, exited; orphaned where the supervisor was killed), restarts, exit status, process ids of supervisor and service.
read_service() {
  s_state=exited s_restarts=0 s_status=0 s_supervisor='' s_process=''
  while IFS=$TAB read -r key value; do
    case $key in
      state) s_state=$value ;;
      restarts) s_restarts=$value ;;
      status) s_status=$value ;;
      process) s_process=$value ;;
    esac
  done 2>/dev/null <"$1/state"
  # shellcheck disable=SC2046
  set -- "$1" $(cat "$1/supervisor" 2>/dev/null)
  if [ $# = 4 ] && is_process "$2" "$3" "$4"; then s_supervisor=$2; else s_state=exited; fi
  # shellcheck disable=SC2086
  [ -n "$s_process" ] && is_process $s_process || s_process=''
  if [ -z "$s_supervisor" ] && [ -n "$s_process" ]; then s_state=orphaned; fi
  if [ "$s_state" = running ] && [ -z "$s_process" ]; then s_state=restarting; fi
  s_process=${s_process%% *}
}

# process_proof PID: what tells this process from a later one with the same number: the boot, and when it began.
process_proof() {
  printf '%s %s %s\n' "$1" "$(boot_id)" "$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20)"
}

# is_process PID BOOT START
is_process() {
  [ "$(process_proof "$1")" = "$1 $2 $3" ] && case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in Z* | '') return 1 ;; esac
}

changed_services() {
  containers_of "$1" >"$scratch/containers"
  plan_services "$1" | while IFS= read -r service; do
    wanted=$(definition_of "$1" "$service" | definition_hash)
    awk -F'\t' -v service="$service" -v hash="$wanted" '$1 == service && $3 == "running" && $7 == hash { found = 1 } END { exit !found }' "$scratch/containers" ||
      printf '%s\n' "$service"
  done
}

# up ID [--remove-orphans] [SERVICES]: those that do not run as this release has them; without names, all.
up() {
  up_id=$1 up_orphans=no
  shift
  if [ "${1:-}" = --remove-orphans ]; then up_orphans=yes; shift; fi
  # shellcheck disable=SC2046
  [ $# -gt 0 ] || set -- $(plan_services "$up_id")
  if [ "$up_orphans" = yes ]; then remove_orphans "$up_id" || return 1; fi
  for up_service in "$@"; do up_service "$up_id" "$up_service" || return 1; done
}

# Services that the release does not know.
remove_orphans() {
  plan_services "$1" >"$scratch/known"
  for service_dir in "$SERVICES_DIR"/*; do
    if [ ! -d "$service_dir" ] || grep -qxF -e "${service_dir##*/}" "$scratch/known"; then continue; fi
    stop_container "${service_dir##*/}" && rm -rf "$service_dir" || return 1
  done
}

up_service() {
  service_dir=$SERVICES_DIR/$2
  mkdir -p "$service_dir/run" && make_volumes "$1" && definition_of "$1" "$2" >"$scratch/definition" || return 1
  read_service "$service_dir"
  if [ "$s_state" = running ] && cmp -s "$scratch/definition" "$service_dir/definition"; then return 0; fi
  stop_container "$2" >"$scratch/stop" 2>&1 && prepare_service "$1" "$2" && start_container "$2" >"$scratch/up" 2>&1 ||
    log_error E_START_FAILED "starting $2 failed: $(tail_of "$scratch/up")"
}

# prepare_service ID SERVICE: links to what the service finds; nothing of it runs now.
prepare_service() {
  tree=$(tree_of "$(image_of "$1" "$2")")
  rm -rf "$service_dir/files" "$service_dir/volumes" "$service_dir/run"
  mkdir -p "$service_dir/files" "$service_dir/volumes" "$service_dir/run" && ln -sfn "$tree" "$service_dir/tree" && ln -sfn "$STATE_DIR/secrets" "$service_dir/secrets" || return 1
  plan_lines "$1" file >"$scratch/service-files"
  while IFS=$TAB read -r hash name _; do ln -s "$FILES_DIR/$hash/$name" "$service_dir/files/$name" || return 1; done <"$scratch/service-files"
  plan_lines "$1" data | tr '\t' '\n' | sed 1d >"$scratch/service-volumes"
  while IFS= read -r volume; do ln -s "$VOLUMES_DIR/$(project_of "$1")_$volume/data" "$service_dir/volumes/$volume" || return 1; done <"$scratch/service-volumes"
  cp "$scratch/definition" "$service_dir/definition.new" && mv -f "$service_dir/definition.new" "$service_dir/definition"
}

# start_container SERVICE or what containers_of calls it.
start_container() {
  start_name=${1%@*}
  rm -f "$SERVICES_DIR/$start_name/supervisor" "$SERVICES_DIR/$start_name/state"
  # Neither the lock nor the log of this run is theirs.
  if has_unit_manager && run_as_unit "prose-ship-$start_name" --property=KillMode=mixed -- "$UPDATER" supervise "$start_name"; then
    :
  else
    setsid "$UPDATER" supervise "$start_name" </dev/null >/dev/null 2>&1 7>&- 8>&- 9>&- &
  fi
  tries=0
  until [ -s "$SERVICES_DIR/$start_name/state" ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt 100 ]; then echo "its supervisor does not come up"; return 1; fi
    sleep 0.1
  done
}

# Processes are made by their start.
make_first_containers() {
  : >"$scratch/made"
}

# stop_container SERVICE: the supervisor ends the service; where it was killed itself, the service is ended here.
stop_container() {
  stop_name=${1%@*} stop_dir=$SERVICES_DIR/${1%@*}
  read_service "$stop_dir"
  stop_seconds=$(awk -F'\t' '$1 == "stop" { print $2; exit }' "$stop_dir/definition" 2>/dev/null)
  stop_deadline=$(($(monotonic_seconds) + ${stop_seconds:-10} + 10))
  if [ -n "$s_supervisor" ]; then
    kill -s TERM "$s_supervisor" 2>/dev/null
  elif [ -n "$s_process" ]; then
    kill -s TERM "$s_process" 2>/dev/null
  fi
  while [ -n "$s_supervisor$s_process" ]; do
    if [ "$(monotonic_seconds)" -ge "$stop_deadline" ]; then
      # shellcheck disable=SC2086
      kill -s KILL $s_supervisor $s_process 2>/dev/null
      [ "$(monotonic_seconds)" -lt "$((stop_deadline + 10))" ] || { echo "process $s_supervisor $s_process cannot be ended"; return 1; }
    fi
    sleep 0.1
    read_service "$stop_dir"
  done
}

# take_down ID
take_down() {
  for service_dir in "$SERVICES_DIR"/*; do
    [ ! -d "$service_dir" ] || { stop_container "${service_dir##*/}" && rm -rf "$service_dir"; } || return 1
  done
}

remove_container() {
  stop_container "$1" && rm -rf "${SERVICES_DIR:?}/${1%@*}"
}

# container_log SERVICE LINES
container_log() {
  cat "$SERVICES_DIR/${1%@*}/log.1" "$SERVICES_DIR/${1%@*}/log" 2>/dev/null | tail -n "$2"
}

# There are no health checks; that nothing restarts, the gate sees by itself.
watch_health() {
  sleep 0 &
  watching=$!
}

# run_in_service SECONDS ID SERVICE COMMAND...: through the entrypoint, with what the service has.
run_in_service() {
  exec_seconds=$1 exec_service=$3
  shift 3
  timeout -k 2 "$exec_seconds" "$UPDATER" exec "$exec_service" "$@"
}

# check_ports ID: nobody else listens where the release wants to. The kernel's table names the owner, not the program, so a
# port of ours counts as taken unless the current release has it.
check_ports() {
  [ "$j_from" = - ] || plan_lines "$j_from" process-port | cut -f 2 >"$scratch/ours"
  [ "$j_from" != - ] || : >"$scratch/ours"
  plan_lines "$1" process-port | cut -f 2 >"$scratch/ports"
  listening_ports >"$scratch/listening"
  while IFS= read -r port; do
    owner=$(awk -v port="$port" '$1 == port { print $2; exit }' "$scratch/listening")
    [ -n "$owner" ] || continue
    if [ "$owner" = "$(id -u)" ] && grep -qxF -e "$port" "$scratch/ours"; then continue; fi
    log_error E_PORT_IN_USE "port $port, where release $1 listens, is in use here by uid $owner; nothing was touched"
    return 1
  done <"$scratch/ports"
}

# listening_ports: port and uid of each TCP socket that listens.
listening_ports() {
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '$4 == "0A" { count = split($2, part, ":"); print part[count], $8 }' |
    while read -r hex_port owner; do printf '%d %s\n' "0x$hex_port" "$owner"; done
}
