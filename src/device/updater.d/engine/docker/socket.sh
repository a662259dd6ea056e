# shellcheck shell=sh
# The Docker engine, asked on its own socket. Its client is a program of 40 MB: it takes a second to start on a small board,
# and longer from a card whose cached pages were just dropped. Where the client has more to say (loading, starting, stopping,
# logs) it is used. Answers are one line of JSON each; what is looked for in them are keys with their unescaped quotes, which
# no text within can hold.

ENGINE_SOCKET=/var/run/docker.sock

# engine_get PATH...: the answers, also the engine's refusals (`{"message":...}`), by one program.
engine_get() {
  for engine_path in "$@"; do
    shift
    set -- "$@" "http://engine$engine_path"
  done
  curl -sS --unix-socket "$ENGINE_SOCKET" "$@" 2>/dev/null
}

# engine_change METHOD PATH [BODY]
engine_change() {
  curl -sS --unix-socket "$ENGINE_SOCKET" -X "$1" -H 'Content-Type: application/json' ${3:+--data "$3"} "http://engine$2" 2>/dev/null
}

# engine_text KEY: the first text of that key in standard input.
engine_text() {
  awk -v key="\"$1\":\"" '
    { at = index($0, key) }
    at { text = substr($0, at + length(key)); print substr(text, 1, index(text, "\"") - 1); exit }'
}

# What does not change while a run lasts is asked once.
engine_info() {
  [ -s "$scratch/engine-info" ] || engine_get /info >"$scratch/engine-info"
  cat "$scratch/engine-info"
}

engine_root() {
  engine_info | engine_text DockerRootDir
}

# The words that run Compose: the plugin itself where it lies as `docker` looks for it (docker/cli, cli-plugins/manager),
# because `docker compose` starts two large programs after each other.
compose_program() {
  for plugins in "$HOME/.docker" /usr/local/lib/docker /usr/local/libexec/docker /usr/lib/docker /usr/libexec/docker; do
    [ ! -x "$plugins/cli-plugins/docker-compose" ] || { echo "$plugins/cli-plugins/docker-compose"; return; }
  done
  echo docker compose
}
