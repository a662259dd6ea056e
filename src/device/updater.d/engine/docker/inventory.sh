# shellcheck shell=sh
# What the laptop must know about the Docker engine and its images.

# Somebody at the end of a long line waits for this: what does not depend on each other is asked at the same time.
ask_engine() {
  docker compose version --short >"$scratch/compose" 2>/dev/null &
  docker image ls -q --no-trunc >"$scratch/images" 2>/dev/null &
}

report_engine() {
  docker info -f '{{.ServerVersion}}{{"\t"}}{{.DockerRootDir}}{{"\t"}}{{.Driver}}{{"\t"}}{{.DriverStatus}}' >"$scratch/info" 2>"$scratch/errors" || {
    printf 'updater: the Docker engine does not answer: %s\n' "$(tail_of "$scratch/errors")" >&2
    exit 1
  }
  IFS=$TAB read -r engine_found root driver driver_status <"$scratch/info"
  case $driver_status in *io.containerd.snapshotter*) store=containerd ;; *) store=$driver ;; esac
  key_value engine "$engine_found"
  key_value store "$store"
  wait
  key_value compose "$(cat "$scratch/compose")"
}

# After report_engine.
report_images() {
  key_value engine-free "$(free_bytes "$root")"
  report_chains "$store" "$root"
}

# One line for each name of each image: the layers that an archive for this device may leave out. All images are asked
# about in one call; one that vanishes meanwhile costs only its own line.
report_chains() {
  # shellcheck disable=SC2046
  set -- "$1" "$2" $(sort -u "$scratch/images")
  [ $# -gt 2 ] || return 0
  store=$1 root=$2
  shift 2
  docker image inspect -f "$layers_format{{\"\t\"}}{{join .RepoTags \" \"}}{{\"\t\"}}{{.ID}}" "$@" 2>/dev/null >"$scratch/chains"
  while IFS= read -r line; do
    chain=${line%%"$TAB"*}
    names=${line#*"$TAB"}
    id=${names##*"$TAB"}
    names=${names%"$TAB"*}
    [ "$store" != containerd ] || chain=$(stored_prefix "$root" "$chain")
    [ -n "$chain" ] || continue
    for name in ${names:-$id}; do key_value chain "$chain$TAB$name"; done
  done <"$scratch/chains"
}

# The containerd store finds a left-out layer by the digest of its blob. A pulled image holds gzipped blobs under other
# digests, so only layers whose uncompressed blob is there may be left out.
stored_prefix() {
  prefix=
  blobs=$(content_store "$1")
  saved_ifs=$IFS
  IFS=,
  for layer in $2; do
    [ -f "$blobs/${layer#sha256:}" ] || break
    prefix=$prefix${prefix:+,}$layer
  done
  IFS=$saved_ifs
  printf '%s' "$prefix"
}
