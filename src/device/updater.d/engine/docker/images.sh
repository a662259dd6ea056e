# shellcheck shell=sh
# The images that the Docker engine has.

# image_record REFERENCE: what the engine knows about it.
image_record() {
  engine_get "/images/$1/json"
}

# record_layers: diffIDs of the record in standard input, with commas.
record_layers() {
  grep -o '"Layers":\[[^]]*\]' | sed 's/^"Layers":\[//; s/\]$//; s/"//g'
}

# image_ready REFERENCE DIFFIDS: the engine has it with exactly these layers. $scratch/record then tells more of it: what the
# engine knows about it, and what it lists under that name.
image_ready() {
  engine_get "/images/$1/json" "/images/json?filters=%7B%22reference%22%3A%5B%22$1%22%5D%7D" >"$scratch/record"
  recorded=$1
  [ "$(record_layers <"$scratch/record")" = "$2" ]
}

# image_is_planned CONFIGDIGEST: the configuration of the image that was asked about last (what runs, as whom) is the planned
# one, too. The classic store names an image after it, the containerd store after a manifest that names it.
image_is_planned() {
  image_id=$(engine_text Id <"$scratch/record")
  [ "$image_id" != "$1" ] || return 0
  manifest=$(content_store "$(engine_root)")/${image_id#sha256:}
  [ -f "$manifest" ] || return 1
  # More than one configuration would be one too many: which of them the engine takes is its affair.
  [ "$(tr -d ' \t\r\n' <"$manifest" | grep -o '"config":{[^{}]*}' | grep -o '"digest":"[^"]*"')" = "\"digest\":\"$1\"" ]
}

# content_store ROOT: where the containerd store keeps its blobs.
content_store() {
  for blobs in "$1/containerd/daemon" /var/lib/containerd; do
    blobs=$blobs/io.containerd.content.v1.content/blobs/sha256
    [ ! -d "$blobs" ] || break
  done
  printf '%s' "$blobs"
}

# The engine lists the image that was asked about last, too: on the containerd store an image may be found by its name and yet
# miss blobs.
image_listed() {
  sed 1d "$scratch/record" | grep -qF -e "\"$1\""
}

# A container can be made of it: the containerd store shows images whose layers were never unpacked.
image_usable() {
  make_trial "$1" || return 1
  # An engine that ends just now must not keep it when it comes back.
  remove_trial || { wait_for_engine && remove_trial; }
}

# The container that is made for this and never started; a run that was killed may have left it, and while it is there its
# image stays.
trial=prose-ship-trial
make_trial() {
  create_trial "$1" || { remove_trial && create_trial "$1"; }
}

create_trial() {
  engine_change POST "/containers/create?name=$trial" "{\"Image\":\"$1\",\"Cmd\":[\"/prose-ship-probe\"]}" >"$scratch/create"
  ! grep -q '^{"Id":' "$scratch/create" || return 0
  sed -i 's/^{"message":"\(.*\)"}$/\1/' "$scratch/create"
  return 1
}

remove_trial() {
  engine_change DELETE "/containers/$trial?force=1&v=1" >/dev/null
}

load_archive() {
  docker load -i "$1"
}

remove_image() {
  docker image rm "$1" >/dev/null 2>&1
}

# What a load that was cut off left has no name, and is ours where it has exactly the layers of a release's image. One that
# a container uses stays.
remove_nameless_images() {
  docker image ls --quiet --no-trunc --filter dangling=true | sort -u | while IFS= read -r image; do
    layers=$(image_record "$image" | record_layers)
    if [ -n "$layers" ] && grep -qxF -e "$layers" "$scratch/known-layers" && docker image rm "$image" >/dev/null 2>&1; then
      log_info "removed image $image, which had no name"
    fi
  done
}

# sample_folders REFERENCE: where its files lie in folders, the top one first; overlay2 keeps each layer as one.
sample_folders() {
  # Right after it was loaded it has been asked about.
  [ "${recorded:-}" = "$1" ] || { image_record "$1" >"$scratch/record" && recorded=$1; }
  engine_text UpperDir <"$scratch/record"
  engine_text LowerDir <"$scratch/record" | tr ':' '\n'
}

# The engine gives one file as a tar archive; it goes through, nothing is kept.
read_sample() {
  curl -fsS --unix-socket "$ENGINE_SOCKET" -G --data-urlencode "path=/$sample_path" "http://engine/containers/$trial/archive" 2>/dev/null | tar -xOf - 2>/dev/null
}

# The engine's client tells in words what is wrong.
copy_sample() {
  docker cp "$trial:/$sample_path" - 2>"$scratch/cp" </dev/null | tar -xOf - 2>/dev/null
}

# layer_sizes: diffID and bytes of every layer in the engine. Its sizes of whole images count a shared base each time.
layer_sizes() {
  root=$(engine_root) driver=$(engine_info | engine_text Driver)
  [ -n "$root" ] || return 0
  for layer in "$root/image/$driver/layerdb/sha256"/*; do
    [ -f "$layer/size" ] || continue
    # Neither file ends in a line feed.
    printf '%s\t%s\n' "$(cat "$layer/diff")" "$(cat "$layer/size")"
  done
  # The containerd store keeps a layer twice: the blob, and unpacked.
  content=$(content_store "$root")
  if [ -d "$content" ]; then find "$content" -type f -printf 'sha256:%f %s\n' | awk '{ printf "%s\t%.0f\n", $1, 2 * $2 }'; fi
}
