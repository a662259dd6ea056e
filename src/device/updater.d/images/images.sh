# shellcheck shell=sh
# Images: loading archives and proving what came out. `docker load` exits 0 in cases where the image is not usable
# (containerd store: unpacking failed, parent blobs missing), so only what the engine shows afterwards counts.

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
  load_archive "$archive" "$3" "$4" "$5" >"$scratch/load-output" 2>&1
  if grep -qi -e 'no space left on device' -e 'disk quota exceeded' "$scratch/load-output"; then
    log_error E_DISK_FULL "the disk became full while $3 was loaded; the running release was not touched"
  elif ! image_ready "$3" "$4"; then
    log_error E_LOAD_FAILED "${archive##*/} did not give $3 with the planned layers; the engine said: $(tail_of "$scratch/load-output")"
  elif ! image_listed "$3"; then
    log_error E_LOAD_FAILED "the engine does not list $3 after loading ${archive##*/}; it said: $(tail_of "$scratch/load-output")"
  elif ! image_is_planned "$5"; then
    log_error E_LOAD_FAILED "${archive##*/} gave $3 with another configuration than the planned one"
  elif ! image_usable "$3"; then
    log_error E_LOAD_FAILED "no container can be made of $3: $(tail_of "$scratch/create")"
  fi
}

# What this run loaded and cannot use; images of other releases are never among them.
unload_images() {
  while IFS= read -r reference; do remove_image "$reference"; done <"$scratch/loaded"
}

discard_images() {
  current=$(link_id current)
  plan_lines "$1" image >"$scratch/discard"
  while IFS=$TAB read -r component reference _; do
    [ -n "$(archive_of "$1" "$component")" ] || continue
    [ "$current" != - ] && plan_lines "$current" image | cut -f 2 | grep -qxF -e "$reference" && continue
    remove_image "$reference"
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
