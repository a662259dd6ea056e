# shellcheck shell=sh
# Removing what is not to be kept: releases with their images, rendered files and snapshots, and what is left over.

verb_prune() {
  recover_unfinished || return
  sweep_backups
  engine_answers || return 1
  remember_release
  prune_releases && prune_leftovers
}

# By itself only where the release's plan says how much is to be kept. What fails here changes nothing about the release.
prune_after_commit() {
  remember_release
  [ -n "$(retention 1)" ] || return 0
  prune_releases && prune_leftovers || error_code=
  return 0
}

prune_releases() {
  choose_kept || return 1
  fit_budget
  : >"$scratch/kept-images"
  : >"$scratch/kept-files"
  : >"$scratch/known-layers"
  while IFS= read -r id; do
    plan_lines "$id" image | cut -f 2 >>"$scratch/kept-images"
    plan_lines "$id" file | cut -f 1 >>"$scratch/kept-files"
    plan_lines "$id" image | cut -f 4 >>"$scratch/known-layers"
  done <"$scratch/kept"
  # Those with a dot are what a power cut left while a release was taken in.
  for directory in "$STATE_DIR"/releases/* "$STATE_DIR"/releases/.old-* "$STATE_DIR"/releases/.new-*; do
    id=${directory##*/}
    if [ ! -d "$directory" ] || is_kept "$id"; then continue; fi
    is_release_id "$id" && remove_images "$id"
    rm -rf "$directory" "${SNAPSHOTS_DIR:?}/$id"
    log_info "removed release $id"
  done
  remove_nameless_images
  for directory in "$FILES_DIR"/* "$SNAPSHOTS_DIR"/* "$SNAPSHOTS_DIR"/.*.new; do
    [ -d "$directory" ] || continue
    case $directory in
      "$FILES_DIR"/*) grep -qxF -e "${directory##*/}" "$scratch/kept-files" && continue ;;
      *) is_kept "${directory##*/}" && continue ;;
    esac
    rm -rf "$directory"
  done
}

# A release that is needed stays even where its plan cannot be read.
is_kept() {
  [ "$1" = "$(link_id current)" ] || [ "$1" = "$(link_id previous)" ] || grep -qxF -e "$1" "$scratch/kept"
}

# The images of a release, except those that a kept one uses too.
remove_images() {
  [ -f "$(plan_file "$1" 2>/dev/null)" ] || return 0
  plan_lines "$1" image >"$scratch/remove"
  cut -f 4 "$scratch/remove" >>"$scratch/known-layers"
  cut -f 2 "$scratch/remove" | while IFS= read -r reference; do
    grep -qxF -e "$reference" "$scratch/kept-images" || remove_image "$reference" || :
  done
}

prune_leftovers() {
  for upload in "$INCOMING_DIR"/* "$INCOMING_DIR"/.[!.]*; do
    if is_abandoned "$upload"; then rm -rf "$upload"; fi
  done
  # Logs are small; the newest twenty tell enough.
  find "$LOG_DIR" -type f -name '*.log' -printf '%T@ %p\n' | sort -rn | sed -e '1,20d' -e 's/^[^ ]* //' |
    while IFS= read -r log; do rm -f "$log"; done
}

# is_abandoned UPLOAD: nothing in it is younger than a day, and nobody has it open: dates alone say nothing where a clock
# leaps from 1970 to today while the upload lasts.
is_abandoned() {
  [ -e "$1" ] && [ -z "$(find "$1" -mtime -1 -print -quit)" ] &&
    [ -z "$(find /proc/[0-9]*/fd -maxdepth 1 -lname "$(readlink -f "$1")/*" -print -quit 2>/dev/null)" ]
}
