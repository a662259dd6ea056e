# shellcheck shell=sh
# Data: cold copies of the named volumes, taken only where a release changes the format of its data (the plan's data
# version) or the names under which it is kept (names.sh), and put back when that release is left again.

SNAPSHOTS_DIR=$STATE_DIR/snapshots

data_version() {
  plan_value "$1" data 1
}

data_differs() {
  [ "$1" != - ] && [ "$2" != - ] && { [ "$(data_version "$1")" != "$(data_version "$2")" ] || [ -n "$(changed_names "$1" "$2")" ]; }
}

# volumes_of ID...: name and mount point of every volume in the plans that exists.
volumes_of() {
  for volumes_id in "$@"; do
    plan_lines "$volumes_id" data | tr '\t' '\n' | sed -e 1d -e "s/^/$(project_of "$volumes_id")_/"
  done | sort -u | while IFS= read -r volume; do
    mountpoint=$(volume_folder "$volume") && printf '%s\t%s\n' "$volume" "$mountpoint"
  done
}

check_space_for_snapshot() {
  need=0
  volumes_of "$1" "$2" >"$scratch/volumes"
  while IFS=$TAB read -r _ mountpoint; do
    used=$(du -s -B1 "$mountpoint" | cut -f 1)
    need=$((need + used))
  done <"$scratch/volumes"
  free=$(free_bytes "$STATE_DIR")
  [ "$need" -le "$free" ] ||
    log_error E_DISK_FULL "the copy of the data needs $need bytes in $STATE_DIR, $free are free; nothing was touched"
}

# take_snapshot ID FROM: into snapshots/ID, whole or not at all. Nothing may be writing.
take_snapshot() {
  unfinished=$SNAPSHOTS_DIR/.$1.new
  rm -rf "$unfinished" "${SNAPSHOTS_DIR:?}/$1"
  mkdir -p "$unfinished"
  volumes_of "$1" "$2" >"$scratch/volumes"
  while IFS=$TAB read -r volume mountpoint; do
    log_info "copying the data of $volume"
    cp -a --reflink=auto "$mountpoint" "$unfinished/$volume" || { log_error E_SNAPSHOT "the data of $volume cannot be copied"; return 1; }
  done <"$scratch/volumes"
  data_version "$2" >"$unfinished/.data-version"
  data_names "$2" >"$unfinished/.data-names"
  sync && mv -T "$unfinished" "$SNAPSHOTS_DIR/$1" && sync "$SNAPSHOTS_DIR"
}

# copy_for ID CURRENT: the newest release whose copy from before it holds data as release ID reads it, or `-`. A copy that
# does not say its version or names was made by an older updater, which kept only what was one step back.
copy_for() {
  found=$({ printf '%s\n' "$2"; reversed 2>/dev/null <"$HISTORY_FILE"; } | while IFS= read -r id; do
    [ -d "$SNAPSHOTS_DIR/$id" ] || continue
    copied=$(cat "$SNAPSHOTS_DIR/$id/.data-version" 2>/dev/null)
    if [ "${copied:-$(data_version "$1")}" = "$(data_version "$1")" ] && copy_has_names "$SNAPSHOTS_DIR/$id/.data-names" "$@"; then
      printf '%s' "$id"
      break
    fi
  done)
  printf '%s' "${found:--}"
}

# copy_has_names FILE ID CURRENT: those that release ID uses.
copy_has_names() {
  if [ ! -f "$1" ]; then [ -z "$(changed_names "$2" "$3")" ]; return; fi
  ! names_told "$2" "$3" || [ -z "$(changed_from "$1" "$2")" ]
}

# restore_snapshot ID: the volumes as they were before release ID. Can be repeated after an interruption.
restore_snapshot() {
  for copy in "$SNAPSHOTS_DIR/$1"/*; do
    [ -d "$copy" ] || continue
    volume=${copy##*/}
    mountpoint=$(volume_folder "$volume") || {
      log_error E_SNAPSHOT "volume $volume is gone; its copy stays in $copy"
      return 1
    }
    log_info "putting back the data of $volume"
    if ! { find "$mountpoint" -mindepth 1 -delete && cp -a --reflink=auto "$copy/." "$mountpoint/"; }; then
      log_error E_SNAPSHOT "the data of $volume cannot be put back; its copy stays in $copy"
      return 1
    fi
  done
  sync
}
