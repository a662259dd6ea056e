# shellcheck shell=sh
# The supervisor of one service: starts it again when it ends, ever more slowly while it keeps ending, bounds its log, and
# ends it when it is told to. It is a process of its own session, or of a unit of the user's systemd.

log_bytes=5000000
# The first wait after an end, and the longest; a service that ran longer than a minute begins anew.
first_wait_seconds=1
longest_wait_seconds=60

# supervise SERVICE
verb_supervise() {
  service_dir=$SERVICES_DIR/$1 service=$1
  cd "$service_dir" || exit 1
  exec </dev/null >>log 2>&1
  trap '' HUP PIPE
  child='' restarts=0 wait_seconds=$first_wait_seconds ending=no
  trap 'ending=yes' TERM INT
  # Two may be started at once: by a run, and by somebody who did not wait for it.
  exec 5>>lock
  flock -n 5 || exit 0
  process_proof "$$" >supervisor
  read_definition
  bound_log_for "$$" &
  bounding=$!
  while [ "$ending" = no ]; do
    run_once
    [ "$ending" = no ] || break
    restarts=$((restarts + 1))
    say_state restarting
    echo "prose-ship: $service ended with exit status $child_status; it starts again in $wait_seconds s"
    sleep "$wait_seconds" 5>&- &
    child=$!
    wait "$child"
    kill "$child" 2>/dev/null
    child=
    wait_seconds=$((wait_seconds * 2))
    [ "$wait_seconds" -le "$longest_wait_seconds" ] || wait_seconds=$longest_wait_seconds
  done
  say_state exited
  { kill "$bounding" && wait "$bounding"; } 2>/dev/null
}

# run_once: until the service has ended; its exit status in child_status.
run_once() {
  read_uptime
  began=$uptime_now
  run_entrypoint 5>&- &
  child=$!
  child_proof=$(process_proof "$child")
  child_status=0
  say_state running
  stopping=
  while kill -s 0 "$child" 2>/dev/null; do
    if [ "$ending" = yes ] && [ -z "$stopping" ]; then
      # `wait` has ended because of the signal; the service may be deaf to it.
      kill -s TERM "$child" 2>/dev/null
      end_after "$d_stop" "$child" &
      stopping=$!
    fi
    wait "$child"
    child_status=$?
  done
  [ -z "$stopping" ] || { kill "$stopping" && wait "$stopping"; } 2>/dev/null
  child=
  read_uptime
  [ "$((uptime_now - began))" -lt 60 ] || wait_seconds=$first_wait_seconds
}

# end_after SECONDS PID. The lock is closed in here: redirected for a function, the shell would keep a copy of it, and the next
# supervisor might find it locked.
end_after() {
  trap - TERM INT
  exec 5>&-
  # In small steps: what is killed leaves its last one behind.
  waited=0
  while [ "$waited" -lt "$1" ]; do
    sleep 1
    waited=$((waited + 1))
  done
  kill -s KILL "$2" 2>/dev/null
}

# say_state STATE: whole or not at all, for whoever looks.
say_state() {
  {
    printf 'state\t%s\nrestarts\t%s\nstatus\t%s\n' "$1" "$restarts" "${child_status:-0}"
    [ "$1" != running ] || printf 'process\t%s\n' "$child_proof"
  } >state.new && mv -f state.new state
}

# What is appended stays in order when the file is cut: the service writes at its end, wherever that is.
bound_log_for() {
  trap - TERM INT
  exec 5>&-
  while sleep 5 && kill -s 0 "$1" 2>/dev/null; do
    [ "$(stat -c %s log)" -lt "$log_bytes" ] || { cp log log.1 && : >log; }
  done
}

# read_definition: of the folder that is the working directory.
read_definition() {
  d_entrypoint=$(awk -F'\t' '$1 == "entrypoint" { print $2; exit }' definition)
  d_stop=$(awk -F'\t' '$1 == "stop" { print $2; exit }' definition)
}

# run_entrypoint: becomes the service.
run_entrypoint() {
  trap - TERM INT HUP PIPE
  set --
  while IFS= read -r argument; do set -- "$@" "$argument"; done <<ARGUMENTS
$(sed -n "s/^argument$TAB//p" definition)
ARGUMENTS
  export_definition
  exec sh "$d_entrypoint" "$@"
}

# export_definition: what every program of the service finds in its environment.
export_definition() {
  PROSE_SHIP_SERVICE=$(pwd -P) PROSE_SHIP_TREE=$(readlink -f tree)
  PROSE_SHIP_LOADER=$(loader_of "$PROSE_SHIP_TREE") PROSE_SHIP_LIBRARY_PATH=$(library_path_of "$PROSE_SHIP_TREE")
  export PROSE_SHIP_SERVICE PROSE_SHIP_TREE PROSE_SHIP_LOADER PROSE_SHIP_LIBRARY_PATH
  while IFS=$TAB read -r variable value; do
    [ -z "$variable" ] || export "$variable=$value"
  done <<VARIABLES
$(sed -n "s/^variable$TAB//p" definition)
VARIABLES
}

# exec SERVICE COMMAND...: a command of the service's, with its environment, through its entrypoint.
verb_exec() {
  [ $# -gt 1 ] || wrong_usage "'exec' takes a service and a command"
  is_release_id "$1" && [ -f "$SERVICES_DIR/$1/definition" ] || { echo "updater: there is no service '$1'" >&2; exit 1; }
  cd "$SERVICES_DIR/$1" || exit 1
  shift
  read_definition
  export_definition
  exec sh "$d_entrypoint" "$@"
}
