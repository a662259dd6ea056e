# shellcheck shell=sh
# Images: loading archives and proving what came out. `docker load` exits 0 in cases where the image is not usable
# (containerd store: unpacking failed, parent blobs missing), so only what the engine shows afterwards counts.

# image_record REFERENCE: what the engine knows about it.
image_record() {
  engine_get "/images/$1/json"
}

# record_layers: diffIDs of the record in standard input, with commas.
record_layers() {
  grep -o '"Layers":\[[^]]*\]' | sed 's/^"Layers":\[//; s/\]$//; s/"//g'
}

# image_ready REFERENCE DIFFIDS: the engine has it with exactly these layers.
image_ready() {
  [ "$(image_record "$1" | record_layers)" = "$2" ]
}

# record_is_planned FILE CONFIGDIGEST: the configuration of this record (what runs, as whom) is the planned one. The classic
# store names an image after it, the containerd store after a manifest that names it.
record_is_planned() {
  image_id=$(engine_text Id <"$1")
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
  engine_get "/images/json?filters=%7B%22reference%22%3A%5B%22$1%22%5D%7D" | grep -qF -e "\"$1\""
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

# all_images_ready ID: prints the references that are missing.
missing_images() {
  plan_lines "$1" image >"$scratch/images"
  while IFS=$TAB read -r component reference _ diff_ids; do
    image_ready "$reference" "$diff_ids" || printf '%s (%s) ' "$reference" "$component"
  done <"$scratch/images"
}

archive_of() {
  for archive in "$(release_dir "$1")/images/$2".tar "$(release_dir "$1")/images/$2".tar.*; do
    [ ! -f "$archive" ] || { printf '%s' "$archive"; return; }
  done
}

# load_images ID: idempotent. After a power cut during an earlier load the engine may list images whose files are
# empty (it syncs its records, not its layers), so images that were not yet synced are loaded afresh.
load_images() {
  [ "$j_resumes" = 0 ] || discard_images "$1"
  check_space_for_images "$1" || return 1
  : >"$scratch/loaded"
  plan_lines "$1" image >"$scratch/load"
  while IFS=$TAB read -r component reference config diff_ids; do
    load_image "$1" "$component" "$reference" "$diff_ids" "$config" || { unload_images; return 1; }
  done <"$scratch/load"
}

load_image() {
  archive=$(archive_of "$1" "$2")
  if grep -qxF -e "$3" "$scratch/ready"; then
    log_info "$2: $3 is there already"
    return
  fi
  [ -n "$archive" ] || { log_error E_IMAGE_MISSING "$3 is not on this device and no archive of '$2' was sent"; return 1; }
  log_info "$2: loading ${archive##*/} ($(stat -c %s "$archive") bytes)"
  printf '%s\n' "$3" >>"$scratch/loaded"
  docker load -i "$archive" >"$scratch/load-output" 2>&1
  if grep -qi 'no space left on device' "$scratch/load-output"; then
    log_error E_DISK_FULL "the disk became full while $3 was loaded; the running release was not touched"
  elif ! { image_record "$3" >"$scratch/record" && [ "$(record_layers <"$scratch/record")" = "$4" ]; }; then
    log_error E_LOAD_FAILED "${archive##*/} did not give $3 with the planned layers; the engine said: $(tail_of "$scratch/load-output")"
  elif ! image_listed "$3"; then
    log_error E_LOAD_FAILED "the engine does not list $3 after loading ${archive##*/}; it said: $(tail_of "$scratch/load-output")"
  elif ! record_is_planned "$scratch/record" "$5"; then
    log_error E_LOAD_FAILED "${archive##*/} gave $3 with another configuration than the planned one"
  elif ! image_usable "$3"; then
    log_error E_LOAD_FAILED "no container can be made of $3: $(tail_of "$scratch/create")"
  fi
}

# What this run loaded and cannot use; images of other releases are never among them.
unload_images() {
  while IFS= read -r reference; do docker image rm "$reference" >/dev/null 2>&1; done <"$scratch/loaded"
}

discard_images() {
  current=$(link_id current)
  plan_lines "$1" image >"$scratch/discard"
  while IFS=$TAB read -r component reference _; do
    [ -n "$(archive_of "$1" "$component")" ] || continue
    [ "$current" != - ] && plan_lines "$current" image | cut -f 2 | grep -qxF -e "$reference" && continue
    docker image rm "$reference" >/dev/null 2>&1
  done <"$scratch/discard"
}

# An archive is unpacked next to itself first, then into layers: twice its content. The sender states the content's
# size in images/COMPONENT.size (bytes); without it, compressed archives are taken to hold three times their size.
# What is there already is noted in $scratch/ready.
check_space_for_images() {
  need=0
  : >"$scratch/ready"
  plan_lines "$1" image >"$scratch/space"
  while IFS=$TAB read -r component reference _ diff_ids; do
    if image_ready "$reference" "$diff_ids"; then printf '%s\n' "$reference" >>"$scratch/ready"; continue; fi
    archive=$(archive_of "$1" "$component")
    [ -n "$archive" ] || continue
    size=$(cat "${archive%%.tar*}.size" 2>/dev/null)
    case $size in
      '' | *[!0-9]*) size=$(stat -c %s "$archive") && case $archive in *.tar) ;; *) size=$((size * 3)) ;; esac ;;
    esac
    need=$((need + 2 * size))
  done <"$scratch/space"
  [ "$need" -gt 0 ] || return 0
  free=$(free_bytes "$(engine_root)")
  [ "$need" -le "$free" ] ||
    log_error E_DISK_FULL "loading needs about $need bytes in $(engine_root), $free are free; the running release was not touched"
}

free_bytes() {
  df -B1 --output=avail "$1" 2>/dev/null | tail -n 1 | tr -d ' '
}

# Images reach the disk, and are read back from it, before their state is journalled; only then the archives may go.
sync_release() {
  sync && prove_images "$1" && rm -rf "$(release_dir "$1")/images" "$(release_dir "$1")/UPLOAD.sha256" && sync "$(release_dir "$1")"
}
