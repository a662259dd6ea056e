# shellcheck shell=sh
# Laying host files down and taking them away. Every step can be repeated after a kill: a file is ours in the list before it
# is written, and the list tells what may stand there meanwhile.

# apply_host_files ID: in a rollout, where a failure turns it round.
apply_host_files() {
  host_mode=strict
  lay_host_files "$1"
}

# restore_host_files ID: on the way back and at a boot; of `-`, where nothing ran before: none. Fails when files could not be
# laid down; an action that fails is a warning.
restore_host_files() {
  host_mode=tolerant
  lay_host_files "$1"
}

# host_problem CODE TEXT: always returns 1.
host_problem() {
  if [ "$host_mode" = strict ]; then log_error "$@"; return 1; fi
  log_warning "$1: $2"
  return 1
}

lay_host_files() {
  find_host_changes "$1"
  [ -s "$scratch/host-wanted" ] || [ -f "$HOST_LIST" ] || [ -d "$HOST_DIR" ] || return 0
  sweep_half_written
  { mkdir -p "$HOST_DIR" || host_problem E_HOST_FILE "$HOST_DIR cannot be made"; } && note_due "$1" || return 1
  fault_for_test host-files-due
  # First, so that a folder can take the place of a file.
  while IFS= read -r host_path; do
    remove_host_file || return 1
  done <"$scratch/host-remove"
  while IFS=$TAB read -r host_path host_wanted host_action host_rights host_source; do
    write_host_file || return 1
  done <"$scratch/host-write"
  remove_host_folders && run_due_actions "$1" && settle_host_files "$1"
}

# Of the line that is being read.
write_host_file() {
  owned_host_file "$host_path"
  host_found=$(host_sum "$host_path")
  if [ "$host_found" = other ]; then
    host_problem E_HOST_FILE_PATH "host file $host_path: a folder, or something else that is no file, stands there"
    return 1
  fi
  if [ -z "$owned_sum" ]; then
    if [ "$host_found" != none ]; then keep_foreign || return 1; fi
    fault_for_test host-files-kept
  elif [ "$host_found" != "$host_wanted" ]; then
    keep_if_changed || return 1
  fi
  host_written=no
  ! is_as_wanted || host_written=yes
  list_host_file "$host_path$TAB$host_wanted$TAB$host_found$TAB$host_action$TAB$host_rights" || return 1
  fault_for_test host-files-listed
  [ "$host_written" = no ] || return 0
  log_info "host file $host_path"
  make_host_folders "${host_path%/*}" && place_host_file "$host_source" || return 1
  fault_for_test host-files-written
}

# place_host_file FILE: whole or not at all; its rights come with it, or stand in $host_rights.
place_host_file() {
  host_new=${host_path%/*}/.${host_path##*/}.prose-ship
  rm -f "$host_new"
  { cp -a "$1" "$host_new" && set_host_rights && sync_host_file && mv -fT "$host_new" "$host_path" && sync "${host_path%/*}/"; } 2>"$scratch/host-errors" || {
    rm -f "$host_new"
    host_problem E_HOST_FILE "host file $host_path cannot be written: $(tail_of "$scratch/host-errors")"
  }
}

# What stood there before comes back as it was.
set_host_rights() {
  [ -n "$host_rights" ] || return 0
  host_owner=${host_rights#*:}
  chown "$host_owner" "$host_new" && chmod "${host_rights%%:*}" "$host_new" && touch "$host_new"
}

sync_host_file() {
  [ -L "$host_new" ] || sync "$host_new"
}

# Somebody else's file, which comes back when ours goes.
keep_foreign() {
  log_info "$host_path is there already; it is kept and comes back when the release's own goes"
  host_kept=$HOST_DIR/foreign$host_path
  {
    mkdir -p "${host_kept%/*}" && rm -f "$host_kept.new" && cp -a "$host_path" "$host_kept.new" && { [ -L "$host_kept.new" ] || sync "$host_kept.new"; } &&
      mv -fT "$host_kept.new" "$host_kept" && sync "${host_kept%/*}"
  } 2>"$scratch/host-errors" || host_problem E_HOST_FILE "$host_path cannot be kept: $(tail_of "$scratch/host-errors")"
}

# keep_if_changed: of a file of ours that is neither what it should be nor what a run that was cut off left there.
keep_if_changed() {
  case $host_found in
    "$owned_sum" | "$owned_old") return 0 ;;
    none) log_warning "host file $host_path was removed by hand"; return 0 ;;
  esac
  host_copy=$HOST_DIR/changed/$(printf '%s' "${host_path#/}" | tr / -).$(printf '%s' "$host_found" | cut -c 1-12)
  { mkdir -p "$HOST_DIR/changed" && rm -f "$host_copy" && cp -a "$host_path" "$host_copy"; } 2>"$scratch/host-errors" ||
    { host_problem E_HOST_FILE "$host_path cannot be kept: $(tail_of "$scratch/host-errors")"; return 1; }
  # What an administrator wrote is small; the newest twenty tell enough.
  find "$HOST_DIR/changed" -mindepth 1 -printf '%C@ %p\n' | sort -rn | sed -e '1,20d' -e 's/^[^ ]* //' | while IFS= read -r host_oldest; do rm -f "$host_oldest"; done
  sync "$HOST_DIR/changed"
  log_warning "host file $host_path was changed by hand; it is replaced, and what stood there is kept as $host_copy"
}

# Of $host_path.
remove_host_file() {
  owned_host_file "$host_path"
  host_found=$(host_sum "$host_path") host_kept=$HOST_DIR/foreign$host_path host_rights=
  [ "$host_found" = none ] || [ "$host_found" = other ] || keep_if_changed || return 1
  if [ "$host_found" = other ]; then
    log_warning "host file $host_path: a folder, or something else that is no file, stands there; it is left alone"
  elif [ -e "$host_kept" ] || [ -L "$host_kept" ]; then
    log_info "host file $host_path goes; what stood there before comes back"
    list_host_file "$host_path$TAB$owned_sum$TAB$(host_sum "$host_kept")$TAB$owned_action$TAB$owned_rights" || return 1
    make_host_folders "${host_path%/*}" && place_host_file "$host_kept" || return 1
  elif [ "$host_found" != none ]; then
    log_info "host file $host_path goes"
    list_host_file "$host_path$TAB$owned_sum${TAB}none$TAB$owned_action$TAB$owned_rights" || return 1
    { rm -f "$host_path" && sync "${host_path%/*}/"; } 2>"$scratch/host-errors" ||
      { host_problem E_HOST_FILE "host file $host_path cannot be removed: $(tail_of "$scratch/host-errors")"; return 1; }
  fi
  fault_for_test host-files-removed
  list_host_file || return 1
  fault_for_test host-files-unlisted
  rm -f "$host_kept"
}
