# shellcheck shell=sh
# Images without an engine. A layer is unpacked once, below layers/; an image is a tree of hard links to its layers' files,
# below trees/, which nobody changes any more; images/ says which tree is whose. Everything belongs to the one user.

LAYERS_DIR=$STATE_DIR/layers
TREES_DIR=$STATE_DIR/trees
IMAGES_DIR=$STATE_DIR/images

# image_record REFERENCE: the file about it: lines `reference`, `config`, `layers`, `tree`.
image_record() {
  printf '%s/%s' "$IMAGES_DIR" "$(printf '%s' "$1" | sha256sum | cut -c 1-32)"
}

# image_field REFERENCE FIELD
image_field() {
  awk -F'\t' -v field="$2" '$1 == field { print $2; exit }' "$(image_record "$1")" 2>/dev/null
}

# tree_of REFERENCE
tree_of() {
  tree_name=$(image_field "$1" tree)
  [ -z "$tree_name" ] || printf '%s/%s' "$TREES_DIR" "$tree_name"
}

image_ready() {
  asked_image=$1
  [ "$(image_field "$1" layers)" = "$2" ] && [ -d "$(tree_of "$1")" ]
}

image_is_planned() {
  [ "$(image_field "$asked_image" config)" = "$1" ]
}

image_listed() {
  [ -f "$(image_record "$1")" ]
}

# loader_of TREE: the program that starts all others of this tree, with this host's kernel and the tree's own libraries.
loader_of() {
  find "$1/usr/lib" "$1/lib" -maxdepth 2 -type f -name 'ld-linux*.so.*' -print 2>/dev/null | head -n 1
}

library_path_of() {
  library_folder=$(loader_of "$1")
  library_folder=${library_folder%/*}
  printf '%s:%s' "$library_folder" "$1/usr/lib"
}

# Something of it runs: a home may be mounted noexec, and the image may be one for another machine.
image_usable() {
  usable_tree=$(tree_of "$1")
  usable_loader=$(loader_of "$usable_tree")
  [ -n "$usable_loader" ] || { echo "the image has no dynamic loader of glibc" >"$scratch/create"; return 1; }
  "$usable_loader" --inhibit-cache --library-path "$(library_path_of "$usable_tree")" "$usable_tree/usr/bin/env" true >"$scratch/create" 2>&1 </dev/null
}

# load_archive ARCHIVE REFERENCE DIFFIDS CONFIGDIGEST: layers that are here need not be in the archive.
load_archive() {
  unpacked=$STATE_DIR/tmp/load
  rm -rf "$unpacked"
  { mkdir -p "$unpacked" "$LAYERS_DIR" "$TREES_DIR" "$IMAGES_DIR" && unpack_blobs "$1" && load_blobs "$2" "$3" "$4"; }
  loaded=$?
  rm -rf "$unpacked"
  return "$loaded"
}

unpack_blobs() {
  case $1 in
    *.tar) tar --extract --file="$1" --directory="$unpacked" blobs ;;
    *.gz) gzip -dc "$1" | tar --extract --file=- --directory="$unpacked" blobs ;;
    *) echo "this host reads .tar and .tar.gz only" && return 1 ;;
  esac
}

# load_blobs REFERENCE DIFFIDS CONFIGDIGEST
load_blobs() {
  blob_is "$3" || return 1
  for layer in $(printf '%s' "$2" | tr , ' '); do
    unpack_layer "$layer" || return 1
  done
  tree_name=$(printf '%s' "$2" | sha256sum | cut -c 1-32)
  [ -d "$TREES_DIR/$tree_name" ] || make_tree "$TREES_DIR/$tree_name" "$2" || return 1
  record=$(image_record "$1")
  printf 'reference\t%s\nconfig\t%s\nlayers\t%s\ntree\t%s\n' "$1" "$3" "$2" "$tree_name" >"$record.new" && sync "$record.new" && mv -f "$record.new" "$record"
}

# blob_is DIGEST: it came, whole.
blob_is() {
  [ "$(sha256sum <"$unpacked/blobs/sha256/${1#sha256:}" 2>/dev/null)" = "${1#sha256:}  -" ] || { echo "the archive lacks $1, or it is damaged"; return 1; }
}

# unpack_layer DIFFID: layers come uncompressed, so the digest of the blob is that of the layer.
unpack_layer() {
  layer_dir=$LAYERS_DIR/${1#sha256:}
  [ ! -d "$layer_dir" ] || return 0
  blob_is "$1" || return 1
  rm -rf "$layer_dir.new"
  # Devices cannot be made without root, and nothing in a tree needs them.
  mkdir "$layer_dir.new" &&
    tar --extract --file="$unpacked/blobs/sha256/${1#sha256:}" --directory="$layer_dir.new" --no-same-owner --no-same-permissions \
      --delay-directory-restore --exclude='dev/*' --exclude='./dev/*' &&
    chmod -R u+rwX "$layer_dir.new" && rm -f "$unpacked/blobs/sha256/${1#sha256:}" && mv -T "$layer_dir.new" "$layer_dir"
}

# make_tree TREE DIFFIDS: each layer over the ones below it (OCI image specification, layer.md).
make_tree() {
  make_removable "$1.new"
  rm -rf "$1.new"
  mkdir "$1.new" || return 1
  for layer in $(printf '%s' "$2" | tr , ' '); do
    layer_dir=$LAYERS_DIR/${layer#sha256:}
    find "$layer_dir" -name '.wh.*' -printf '%P\n' >"$unpacked/whiteouts"
    while IFS= read -r whiteout; do
      hidden=$1.new/$whiteout
      case ${whiteout##*/} in
        .wh..wh..opq) [ ! -d "${hidden%/*}" ] || find "${hidden%/*}" -mindepth 1 -delete || return 1 ;;
        *) rm -rf "${hidden%/*}/${whiteout##*/.wh.}" || return 1 ;;
      esac
    done <"$unpacked/whiteouts"
    cp -a --link --remove-destination "$layer_dir/." "$1.new/" && find "$1.new" -name '.wh.*' -delete || return 1
  done
  # What runs from it cannot change it by mistake.
  find "$1.new" -mindepth 1 -type d -exec chmod a-w {} + && mv -T "$1.new" "$1" && chmod a-w "$1"
}

make_removable() {
  [ ! -d "$1" ] || find "$1" -type d -exec chmod u+w {} +
}

remove_image() {
  rm -f "$(image_record "$1")"
  remove_unused_trees
}

# Trees and layers that no image names.
remove_unused_trees() {
  cat "$IMAGES_DIR"/* 2>/dev/null | awk -F'\t' '
    $1 == "tree" { print $2 }
    $1 == "layers" { gsub("sha256:", "", $2); count = split($2, layer, ","); for (i = 1; i <= count; i++) print layer[i] }' >"$scratch/used-trees"
  for unused in "$TREES_DIR"/* "$LAYERS_DIR"/*; do
    if [ ! -d "$unused" ] || grep -qxF -e "${unused##*/}" "$scratch/used-trees"; then continue; fi
    make_removable "$unused"
    rm -rf "$unused"
  done
}

remove_nameless_images() {
  remove_unused_trees
}

# A trial is a look into the tree.
make_trial() {
  trial_tree=$(tree_of "$1")
  [ -d "$trial_tree" ] || { echo "$1 is not here" >"$scratch/create"; return 1; }
}

remove_trial() {
  :
}

sample_folders() {
  tree_of "$1" && echo
}

read_sample() {
  copy_sample
}

copy_sample() {
  cat "$trial_tree/$sample_path" 2>"$scratch/cp"
}

engine_root() {
  printf '%s' "$STATE_DIR"
}

layer_sizes() {
  for layer_dir in "$LAYERS_DIR"/*; do
    [ ! -d "$layer_dir" ] || printf 'sha256:%s\t%s\n' "${layer_dir##*/}" "$(du -s -B1 "$layer_dir" | cut -f 1)"
  done
}
