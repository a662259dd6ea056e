# shellcheck shell=sh
# What the laptop asks for: KEY <TAB> VALUE lines, nothing else on standard output.

key_value() {
  printf '%s\t%s\n' "$1" "$2"
}

verb_inventory() {
  make_scratch ask
  # Somebody at the end of a long line waits for this: what does not depend on each other is asked at the same time.
  docker compose version --short >"$scratch/compose" 2>/dev/null &
  docker image ls -q --no-trunc >"$scratch/images" 2>/dev/null &
  key_value format 1
  key_value updater "$version"
  key_value machine "$(uname -m)"
  device_platforms | while IFS= read -r platform; do key_value platform "$platform"; done
  docker info -f '{{.ServerVersion}}{{"\t"}}{{.DockerRootDir}}{{"\t"}}{{.Driver}}{{"\t"}}{{.DriverStatus}}' >"$scratch/info" 2>"$scratch/errors" || {
    printf 'updater: the Docker engine does not answer: %s\n' "$(tail_of "$scratch/errors")" >&2
    exit 1
  }
  IFS=$TAB read -r engine root driver driver_status <"$scratch/info"
  case $driver_status in *io.containerd.snapshotter*) store=containerd ;; *) store=$driver ;; esac
  key_value engine "$engine"
  key_value store "$store"
  wait
  key_value compose "$(cat "$scratch/compose")"
  report_releases
  report_refusals
  key_value free "$(free_bytes "$STATE_DIR")"
  key_value engine-free "$(free_bytes "$root")"
  report_chains "$store" "$root"
}

# What may keep this device from taking a release.
report_refusals() {
  ! needs_signature || key_value signers "$SIGNERS_FILE"
  if read_only=$(read_only_state); then key_value read-only "$read_only"; fi
}

report_releases() {
  for link in current previous; do
    id=$(link_id "$link")
    [ "$id" = - ] || key_value "$link" "$id"
  done
  current=$(link_id current)
  [ "$current" = - ] || data_names "$current" | while IFS= read -r name; do key_value data-name "$name"; done
  if journal_load; then key_value journal "$j_state$TAB$j_id"; fi
  for directory in "$STATE_DIR"/releases/*; do
    id=${directory##*/}
    if is_release_id "$id" && [ -f "$(plan_file "$id" 2>/dev/null)" ]; then report_release "$id"; fi
  done
}

# What may follow it depends on its data and on its recipe; older plans do not tell the recipe.
report_release() {
  recipe=$(plan_lines "$1" recipe)
  key_value release "$1$TAB$(plan_value "$1" version 1)$TAB$(data_version "$1")${recipe:+$TAB$recipe}"
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

verb_status() {
  make_scratch ask
  key_value format 1
  key_value updater "$version"
  report_releases
  report_refusals
  if journal_load && [ "$j_next" != - ]; then key_value under-way "$j_next"; fi
  if [ -f "$LOCK_FILE" ] && ! flock -n "$LOCK_FILE" true; then
    read_lock
    key_value locked "$(describe_lock)"
    [ -z "$l_log" ] || key_value run "$l_log"
  fi
  current=$(link_id current)
  if [ "$current" != - ]; then
    containers_of "$current" | sort | while IFS=$TAB read -r service _ state health restarts _ _ exit_status; do
      if [ "$state $exit_status" = 'exited 0' ] && is_oneshot "$current" "$service"; then state=completed; fi
      key_value container "$service$TAB$state$TAB$health$TAB$restarts"
    done
  fi
  report_host_files
  last_audits | while IFS= read -r line; do key_value audit "$line"; done
}
