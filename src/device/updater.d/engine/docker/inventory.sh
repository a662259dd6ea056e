# shellcheck shell=sh
# What the laptop must know about the Docker engine and its images.

# Somebody at the end of a long line waits for this: what does not depend on each other is asked at the same time.
ask_engine() {
  compose_version >"$scratch/compose" &
  engine_get /info >"$scratch/engine-info" &
  image_records >"$scratch/images" &
}

# After ask_engine.
report_engine() {
  wait
  engine_found=$(engine_version)
  if [ -z "$engine_found" ]; then
    printf 'updater: the Docker engine does not answer: %s\n' "$(docker info 2>&1 >/dev/null | tail -n 1)" >&2
    exit 1
  fi
  root=$(engine_root) store=$(engine_info | engine_text Driver)
  case $(engine_info) in *'["driver-type","io.containerd.snapshotter'*) store=containerd ;; esac
  key_value engine "$engine_found"
  key_value store "$store"
  key_value compose "$(cat "$scratch/compose")"
}

# After report_engine.
report_images() {
  key_value engine-free "$(free_bytes "$root")"
  report_chains "$store" "$root"
}

# All images are asked about in one call; one that vanishes meanwhile costs only its own line.
image_records() {
  # shellcheck disable=SC2046
  set -- $(engine_get /images/json | grep -o '"Id":"sha256:[^"]*"' | sort -u | sed 's/^"Id":"/\/images\//; s/"$/\/json/')
  [ $# -eq 0 ] || engine_get "$@"
}

# report_chains STORE ROOT: one line for each name of each image: the layers that an archive for this device may leave out.
report_chains() {
  store=$1 root=$2
  awk '
    function list(key,   text) {
      if (!match($0, "\"" key "\":\\[[^]]*\\]")) return ""
      text = substr($0, RSTART, RLENGTH)
      gsub(/^[^[]*\[|\]$|"/, "", text)
      return text
    }
    /^\{"Id":"/ { names = list("RepoTags"); gsub(/,/, " ", names); print list("Layers") "\t" names "\t" substr($0, 8, 71) }' "$scratch/images" >"$scratch/chains"
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
