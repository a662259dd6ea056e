# shellcheck shell=sh
# What the laptop asks for: KEY <TAB> VALUE lines, nothing else on standard output.

key_value() {
  printf '%s\t%s\n' "$1" "$2"
}

verb_inventory() {
  make_scratch ask
  # Somebody at the end of a long line waits for this: what does not depend on each other is asked at the same time.
  compose_program version --short >"$scratch/compose" 2>/dev/null &
  key_value format 1
  key_value updater "$version"
  key_value machine "$(uname -m)"
  device_platforms | while IFS= read -r platform; do key_value platform "$platform"; done
  engine=$(engine_info | engine_text ServerVersion)
  if [ -z "$engine" ]; then
    printf 'updater: the Docker engine does not answer: %s\n' "$(docker info 2>&1 >/dev/null | tail -n 1)" >&2
    exit 1
  fi
  root=$(engine_root) store=$(engine_info | engine_text Driver)
  case $(engine_info) in *'["driver-type","io.containerd.snapshotter'*) store=containerd ;; esac
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

# report_chains STORE ROOT: one line for each name of each image: the layers that an archive for this device may leave out. All
# images are asked about in one call; one that vanishes meanwhile costs only its own line.
report_chains() {
  store=$1 root=$2
  # shellcheck disable=SC2046
  set -- $(engine_get /images/json | grep -o '"Id":"sha256:[^"]*"' | sort -u | sed 's/^"Id":"/\/images\//; s/"$/\/json/')
  [ $# -gt 0 ] || return 0
  engine_get "$@" | awk '
    function list(key,   text) {
      if (!match($0, "\"" key "\":\\[[^]]*\\]")) return ""
      text = substr($0, RSTART, RLENGTH)
      gsub(/^[^[]*\[|\]$|"/, "", text)
      return text
    }
    /^\{"Id":"/ { names = list("RepoTags"); gsub(/,/, " ", names); print list("Layers") "\t" names "\t" substr($0, 8, 71) }' >"$scratch/chains"
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
