# shellcheck shell=sh
# The Docker engine and Compose: what runs, stopping and starting. Every function here has its like in engine/none,
# but those of start-first services, for which no plan of a host without an engine may ask.

# compose ID ARGS: Compose on the files of that release; it never builds, pulls or asks.
compose() {
  compose_id=$1
  shift
  # shellcheck disable=SC2046
  $(compose_words "$compose_id") "$@" </dev/null
}

# compose_words ID: the beginning of such a command line, for programs that cannot run a function of ours.
compose_words() {
  printf '%s --project-name %s --file %s/compose.yaml' "$(compose_program)" "$(project_of "$1")" "$(release_dir "$1")"
}

check_services() {
  compose "$1" config --quiet >"$scratch/compose" 2>&1 ||
    log_error E_COMPOSE "Compose refuses the file of release $1: $(tail_of "$scratch/compose")"
}

engine_is_up() {
  [ "$(engine_get /_ping)" = OK ]
}

# What it tells of itself then holds for the rest of the run (engine_info).
engine_answers() {
  engine_get /info >"$scratch/engine-info"
  [ -n "$(engine_version)" ] || log_error E_ENGINE "the Docker engine does not answer: $(docker info 2>&1 | tail -n 1)"
}

engine_version() {
  engine_info | engine_text ServerVersion
}

compose_version() {
  # shellcheck disable=SC2046
  $(compose_program) version --short 2>/dev/null
}

# containers_of ID: service, container, state, health (or `-`), restart count, restart policy, Compose's hash, exit status.
# The status stands first in a state and in a health (moby, api/types/container).
containers_of() {
  filters="%7B%22label%22%3A%5B%22com.docker.compose.project%3D$(project_of "$1")%22%2C%22com.docker.compose.oneoff%3DFalse%22%5D%7D"
  # shellcheck disable=SC2046
  set -- $(engine_get "/containers/json?all=1&filters=$filters" | grep -o '"Id":"[0-9a-f]*"' | sed 's/.*:"\(.*\)"/\/containers\/\1\/json/')
  [ $# -eq 0 ] || engine_get "$@" | awk '
    function found(key, text,   at) { return match($0, key text) ? substr($0, RSTART + length(key), RLENGTH - length(key)) : "" }
    /^\{"Id":/ {
      health = found("\"Health\":{\"Status\":\"", "[a-z]+")
      OFS = "\t"
      print found("\"com.docker.compose.service\":\"", "[^\"]*"), substr($0, 8, 64), found("\"State\":{\"Status\":\"", "[a-z]+"), \
        (health == "" || health == "none") ? "-" : health, found("\"RestartCount\":", "[0-9]+"), found("\"RestartPolicy\":{\"Name\":\"", "[a-z-]*"), \
        found("\"com.docker.compose.config-hash\":\"", "[0-9a-f]*"), found("\"ExitCode\":", "-?[0-9]+")
    }'
}

# changed_services ID: those of the plan for which no container with this configuration runs.
# A one-shot service that has ended with exit status 0 has nothing more to do.
changed_services() {
  compose "$1" config --hash '*' >"$scratch/hashes" 2>/dev/null || return 1
  containers_of "$1" >"$scratch/containers"
  plan_lines "$1" oneshot >"$scratch/oneshots"
  plan_services "$1" | awk -v hashes="$scratch/hashes" -v containers="$scratch/containers" -v oneshots="$scratch/oneshots" '
    BEGIN {
      while ((getline line < oneshots) > 0) once[line] = 1
      while ((getline line < hashes) > 0) { split(line, field, " "); wanted[field[1]] = field[2] }
      while ((getline line < containers) > 0) {
        split(line, field, "\t")
        if (field[3] == "running" || (field[1] in once && field[3] == "exited" && field[8] == 0)) running[field[1], field[7]] = 1
      }
    }
    wanted[$0] == "" || !(($0, wanted[$0]) in running)'
}

# make_first_containers ID SERVICES: where there is none of them yet, all at once; $scratch/made tells them as containers_of
# does. Compose alone takes ten seconds a call on a small board; what goes wrong here is told by the `up` that follows.
make_first_containers() {
  first_id=$1
  shift
  : >"$scratch/made"
  [ $# -gt 0 ] && [ -z "$(containers_of "$first_id")" ] || return 0
  compose "$first_id" up --no-start --no-build --pull never --no-deps --quiet-pull "$@" >"$scratch/up" 2>&1 || return 0
  containers_of "$first_id" >"$scratch/made"
}

# A container's own signal and grace period hold.
stop_container() {
  docker stop "$1"
}

start_container() {
  docker start "$1"
}

# Unnamed volumes go with their container; named ones stay.
remove_container() {
  docker rm --force --volumes "$1" >/dev/null 2>&1
}

up() {
  up_id=$1
  shift
  compose "$up_id" up --detach --no-build --pull never --no-deps --quiet-pull "$@" >"$scratch/up" 2>&1 ||
    log_error E_START_FAILED "starting failed: $(tail_of "$scratch/up" 5)"
}

# take_down ID: everything of its project but the data.
take_down() {
  compose "$1" down --remove-orphans
}

# container_state CONTAINER: its status, its health or `-`, and how often it was restarted.
container_state() {
  docker inspect -f '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}-{{end}} {{.RestartCount}}' "$1" 2>/dev/null
}

# The first port that a container really has on the host, and the two that it may have, `8081-8082`.
published_port() {
  docker inspect -f '{{range .NetworkSettings.Ports}}{{range .}}{{println .HostPort}}{{end}}{{end}}' "$1" 2>/dev/null | head -n 1
}

published_range() {
  docker inspect -f '{{range .HostConfig.PortBindings}}{{range .}}{{println .HostPort}}{{end}}{{end}}' "$1" 2>/dev/null | head -n 1
}

# container_log CONTAINER LINES
container_log() {
  docker logs --tail "$2" "$1" 2>&1
}

# watch_health ID SECONDS: notes in $scratch/unhealthy what becomes unhealthy. It ends by itself some time after the soak,
# whatever becomes of this program, and holds neither the log nor the lock.
watch_health() {
  timeout "$(($2 + 300))" docker events --since "$(date +%s.%N)" --filter "label=com.docker.compose.project=$(project_of "$1")" \
    --filter 'event=health_status: unhealthy' --format '{{index .Actor.Attributes "com.docker.compose.service"}}' \
    >"$scratch/unhealthy" 2>/dev/null </dev/null 8>&- 9>&- &
  watching=$!
}

# run_in_service SECONDS ID SERVICE COMMAND...
run_in_service() {
  exec_seconds=$1 exec_id=$2 exec_service=$3
  shift 3
  if [ -n "${probe_container:-}" ]; then
    set -- docker exec "$probe_container" "$@"
  else
    # shellcheck disable=SC2046
    set -- $(compose_words "$exec_id") exec -T "$exec_service" "$@"
  fi
  timeout -k 2 "$exec_seconds" "$@"
}

# set_owner OWNER [-R] FILE: containers run as users of their own.
set_owner() {
  chown "$@"
}

# check_engine_plan ID: what a plan may ask of this engine.
check_engine_plan() {
  [ -z "$(plan_lines "$1" engine)" ] ||
    log_error E_WRONG_ENGINE "release $1 is one for hosts without an engine, and this one has Docker"
}

check_ports() {
  :
}

# What tar does with the owners that a backup names.
tar_owner() {
  printf -- '--same-owner'
}
