# shellcheck shell=sh
# The images that the Docker engine has.

# shellcheck disable=SC2016 # these are the template's own variables
layers_format='{{range $i, $layer := .RootFS.Layers}}{{if $i}},{{end}}{{$layer}}{{end}}'

# image_ready REFERENCE DIFFIDS: the engine has it with exactly these layers.
image_ready() {
  [ "$(docker image inspect -f "$layers_format" "$1" 2>/dev/null)" = "$2" ]
}

# image_is_planned REFERENCE CONFIGDIGEST: its configuration (what runs, as whom) is the planned one, too. The classic
# store names an image after it, the containerd store after a manifest that names it.
image_is_planned() {
  image_id=$(docker image inspect -f '{{.Id}}' "$1" 2>/dev/null)
  [ "$image_id" != "$2" ] || return 0
  manifest=$(content_store "$(engine_root)")/${image_id#sha256:}
  [ -f "$manifest" ] || return 1
  # More than one configuration would be one too many: which of them the engine takes is its affair.
  [ "$(tr -d ' \t\r\n' <"$manifest" | grep -o '"config":{[^{}]*}' | grep -o '"digest":"[^"]*"')" = "\"digest\":\"$2\"" ]
}

# content_store ROOT: where the containerd store keeps its blobs.
content_store() {
  for blobs in "$1/containerd/daemon" /var/lib/containerd; do
    blobs=$blobs/io.containerd.content.v1.content/blobs/sha256
    [ ! -d "$blobs" ] || break
  done
  printf '%s' "$blobs"
}

# The engine lists it, too: on the containerd store an image may be found by its name and yet miss blobs.
image_listed() {
  docker image ls --format '{{.Repository}}:{{.Tag}}' "$1" 2>/dev/null | grep -qxF -e "$1"
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
  docker create --pull never --name "$trial" "$1" /prose-ship-probe >/dev/null 2>"$scratch/create" </dev/null
}

remove_trial() {
  docker rm --force --volumes "$trial" >/dev/null 2>&1
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
    layers=$(docker image inspect -f "$layers_format" "$image" 2>/dev/null)
    if [ -n "$layers" ] && grep -qxF -e "$layers" "$scratch/known-layers" && docker image rm "$image" >/dev/null 2>&1; then
      log_info "removed image $image, which had no name"
    fi
  done
}

engine_root() {
  docker info -f '{{.DockerRootDir}}' 2>/dev/null
}

# The engine gives one file as a tar archive; it goes through, nothing is kept. It is asked on its own socket where it has
# the usual one, because its client takes a second to start on a small board; what is wrong, the client tells in words.
read_sample() {
  if [ -S /var/run/docker.sock ] && [ -z "${DOCKER_HOST:-}${DOCKER_CONTEXT:-}" ]; then
    curl -fsS --unix-socket /var/run/docker.sock -G --data-urlencode "path=/$sample_path" "http://engine/containers/$trial/archive" 2>/dev/null | tar -xOf - 2>/dev/null
  else
    copy_sample
  fi
}

copy_sample() {
  docker cp "$trial:/$sample_path" - 2>"$scratch/cp" </dev/null | tar -xOf - 2>/dev/null
}

# layer_sizes: diffID and bytes of every layer in the engine. Its sizes of whole images count a shared base each time.
layer_sizes() {
  docker info -f '{{.DockerRootDir}}{{"\t"}}{{.Driver}}' >"$scratch/engine" 2>/dev/null
  IFS=$TAB read -r root driver <"$scratch/engine" || return 0
  for layer in "$root/image/$driver/layerdb/sha256"/*; do
    [ -f "$layer/size" ] || continue
    # Neither file ends in a line feed.
    printf '%s\t%s\n' "$(cat "$layer/diff")" "$(cat "$layer/size")"
  done
  # The containerd store keeps a layer twice: the blob, and unpacked.
  content=$(content_store "$root")
  if [ -d "$content" ]; then find "$content" -type f -printf 'sha256:%f %s\n' | awk '{ printf "%s\t%.0f\n", $1, 2 * $2 }'; fi
}
