# shellcheck shell=sh
# The proof that loaded layers hold what they should. An engine's records reach the disk before the files of its layers
# do, so after a power cut, or on a worn card, an image may look complete while files in it have a size of 0. The plan
# names a few files of each image with size and sha256; they are read back from the disk through the engine.

# prove_images ID: an image that is damaged is loaded once more where its archive is still here.
prove_images() {
  images_to_prove "$1" >"$scratch/prove"
  caches_dropped=no
  while IFS=$TAB read -r component reference config diff_ids; do
    prove_image "$1" "$component" "$reference" "$diff_ids" "$config" || return 1
  done <"$scratch/prove"
}

# prove_running ID: at boot, when services are up already. Nothing is repaired: containers use what is damaged.
prove_running() {
  # Right after a boot memory holds nothing.
  whole=yes caches_dropped=yes
  plan_lines "$1" image >"$scratch/prove"
  while IFS=$TAB read -r component reference _; do
    if ! image_whole "$1" "$component" "$reference"; then
      log_error E_IMAGE_DAMAGED "$reference, which release $1 runs, is damaged: $damage. Its card may be failing; roll back or update"
      whole=no
    fi
  done <"$scratch/prove"
  [ "$whole" = yes ]
}

# Images with samples that this run loaded, or that the current release does not use: what is in use was proven before.
images_to_prove() {
  touch "$scratch/loaded"
  : >"$scratch/in-use"
  [ "$(link_id current)" = - ] || plan_lines "$(link_id current)" image | cut -f 2 >"$scratch/in-use"
  plan_lines "$1" sample >"$scratch/samples"
  plan_lines "$1" image | awk -F'\t' -v samples="$scratch/samples" -v used="$scratch/in-use" -v loaded="$scratch/loaded" '
    BEGIN {
      while ((getline line < samples) > 0) { split(line, field, "\t"); sampled[field[1]] = 1 }
      while ((getline line < used) > 0) skip[line] = 1
      while ((getline line < loaded) > 0) delete skip[line]
    }
    ($1 in sampled) && !($2 in skip)'
}

# What the kernel still holds in memory proves nothing about the disk. In a container it may not be told to forget.
drop_caches() {
  [ "$caches_dropped" = yes ] || { echo 3 >/proc/sys/vm/drop_caches; } 2>/dev/null || :
  caches_dropped=yes
}

# prove_image ID COMPONENT REFERENCE DIFFIDS CONFIGDIGEST
prove_image() {
  if image_whole "$1" "$2" "$3"; then return 0; fi
  remove_image "$3"
  if [ -z "$(archive_of "$1" "$2")" ]; then
    log_error E_IMAGE_DAMAGED "$3 is damaged on this device: $damage. It was discarded; send the release again"
    return 1
  fi
  log_warning "$2: $damage; loading it again"
  : >"$scratch/ready"
  load_image "$1" "$2" "$3" "$4" "$5" || return 1
  sync && caches_dropped=no
  if image_whole "$1" "$2" "$3"; then return 0; fi
  remove_image "$3"
  log_error E_IMAGE_DAMAGED "$3 is damaged even after it was loaded again: $damage. The disk is failing, or another image or container holds the damaged layer: remove that one, then send the release again"
}

# image_whole ID COMPONENT REFERENCE: every sample is there with its content; `damage` says what is not.
image_whole() {
  damage=
  plan_lines "$1" sample | awk -F'\t' -v component="$2" '$1 == component' >"$scratch/samples"
  [ ! -s "$scratch/samples" ] || samples_lie_in_folders "$3" || engine_gives_samples "$3"
}

# samples_lie_in_folders REFERENCE: where a store keeps folders, a sample can be read where it lies, after its pages alone were
# dropped: all that runs here keeps its own.
samples_lie_in_folders() {
  sample_folders "$1" >"$scratch/folders"
  : >"$scratch/sample-sums"
  set --
  while IFS=$TAB read -r _ sample_path _ sample_sum; do
    find_in_folders || return 1
    set -- "$@" "$sample_file"
    printf '%s  %s\n' "$sample_sum" "$sample_file" >>"$scratch/sample-sums"
  done <"$scratch/samples"
  # A symbolic link on the way could lead out of the image.
  [ "$(readlink -f "$@")" = "$(printf '%s\n' "$@")" ] || return 1
  for sample_file in "$@"; do
    dd if="$sample_file" iflag=nocache count=0 status=none 2>/dev/null || return 1
  done
  sha256sum --check --strict --status "$scratch/sample-sums" 2>/dev/null
}

# find_in_folders: sets sample_file, in the top one that has it.
find_in_folders() {
  while IFS= read -r folder; do
    sample_file=$folder/$sample_path
    [ ! -f "$sample_file" ] || return 0
  done <"$scratch/folders"
  return 1
}

# engine_gives_samples REFERENCE: whatever its store, and in words what is wrong.
engine_gives_samples() {
  : >"$scratch/cp"
  make_trial "$1" || { damage="no container can be made of it: $(tail_of "$scratch/create")"; return 1; }
  drop_caches
  while IFS=$TAB read -r _ sample_path sample_size sample_sum; do
    [ "$(read_sample | sha256sum)" != "$sample_sum  -" ] || continue
    damage="/$sample_path has $(copy_sample | wc -c | tr -d ' ') bytes instead of $sample_size"
    case $damage in *" $sample_size bytes instead of "*) damage="/$sample_path has other content than it should" ;; esac
    [ ! -s "$scratch/cp" ] || damage="/$sample_path cannot be read: $(tail_of "$scratch/cp")"
    break
  done <"$scratch/samples"
  remove_trial
  [ -z "$damage" ]
}
