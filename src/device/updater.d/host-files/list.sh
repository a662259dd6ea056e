# shellcheck shell=sh
# What is written down about host files, and what of it is cleared away at the end.

# store_host_state FILE: standard input, whole or not at all.
store_host_state() {
  { cat >"$1.new" && sync "$1.new" && mv -f "$1.new" "$1" && sync "${1%/*}"; } 2>"$scratch/host-errors" ||
    host_problem E_HOST_FILE "$1 cannot be written: $(tail_of "$scratch/host-errors")"
}

# list_host_file [LINE]: in place of the line of $host_path.
list_host_file() {
  {
    awk -F'\t' -v path="$host_path" '$1 != path' "$HOST_LIST" 2>/dev/null
    [ $# -eq 0 ] || printf '%s\n' "$1"
  } | sort | store_host_state "$HOST_LIST"
}

# What a kill left: a path that was being written is listed with what might stand there meanwhile.
sweep_half_written() {
  rm -f "$HOST_LIST.new" "$HOST_DIR"/*.new
  awk -F'\t' '$3 != "-" { print $1 }' "$HOST_LIST" 2>/dev/null | while IFS= read -r host_path; do rm -f "${host_path%/*}/.${host_path##*/}.prose-ship"; done
}

# make_host_folders FOLDER: the missing ones of it, 0755, each written down first.
make_host_folders() {
  host_made='' host_rest=${1#/}/
  while [ "${host_rest#/}" != '' ]; do
    host_made=$host_made/${host_rest%%/*} host_rest=${host_rest#*/}
    [ ! -d "$host_made" ] || continue
    { cat "$HOST_DIR/folders" 2>/dev/null; echo "$host_made"; } | sort -u | store_host_state "$HOST_DIR/folders" || return 1
    { mkdir -m 755 "$host_made" && sync "${host_made%/*}/"; } 2>"$scratch/host-errors" ||
      { host_problem E_HOST_FILE_PATH "host file $host_path: $host_made cannot be made: $(tail_of "$scratch/host-errors")"; return 1; }
  done
}

# remove_host_folders: those that we made, have no file of ours any more and are empty. One that holds anything else is
# somebody's from now on.
remove_host_folders() {
  [ -f "$HOST_DIR/folders" ] || return 0
  : >"$scratch/host-unused"
  awk -F'\t' -v list="$HOST_LIST" -v unused="$scratch/host-unused" '
    BEGIN { while ((getline line < list) > 0) { split(line, field, "\t"); path[field[1]] = 1 } }
    { used = 0; for (one in path) if (index(one, $0 "/") == 1) used = 1; if (used) print; else print >>unused }' "$HOST_DIR/folders" >"$scratch/host-folders"
  [ -s "$scratch/host-unused" ] || return 0
  sort -r "$scratch/host-unused" | while IFS= read -r host_made; do rmdir "$host_made" 2>/dev/null || :; done
  store_host_state "$HOST_DIR/folders" <"$scratch/host-folders"
}

# settle_host_files ID: all is laid down. What was there meanwhile is forgotten; what belongs to no path of ours goes.
settle_host_files() {
  if [ ! -s "$HOST_LIST" ]; then
    rm -rf "$HOST_DIR/foreign"
    rm -f "$HOST_LIST" "$HOST_ACTIONS" "$HOST_DIR/folders"
    rmdir "$HOST_DIR" 2>/dev/null
    sync "$STATE_DIR"
    return 0
  fi
  awk -F'\t' '$1 == "action" || $1 == "action-check" || $1 == "action-apply"' "$(plan_file "$1")" >"$scratch/host-known"
  cmp -s "$scratch/host-known" "$HOST_ACTIONS" || store_host_state "$HOST_ACTIONS" <"$scratch/host-known" || return 1
  awk -F'\t' -v OFS='\t' '{ $3 = "-"; print }' "$HOST_LIST" >"$scratch/host-list"
  cmp -s "$scratch/host-list" "$HOST_LIST" || store_host_state "$HOST_LIST" <"$scratch/host-list" || return 1
  sweep_foreign
}

# A kill between the list and this leaves a copy that nothing needs.
sweep_foreign() {
  [ -d "$HOST_DIR/foreign" ] || return 0
  find "$HOST_DIR/foreign" ! -type d -printf '/%P\n' | awk -F'\t' -v list="$HOST_LIST" '
    BEGIN { while ((getline line < list) > 0) { split(line, field, "\t"); path[field[1]] = 1 } }
    !($0 in path)' | while IFS= read -r host_path; do rm -f "$HOST_DIR/foreign$host_path"; done
  find "$HOST_DIR/foreign" -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null
  rmdir "$HOST_DIR/foreign" 2>/dev/null || :
}

# report_host_files: for `status`.
report_host_files() {
  [ -f "$HOST_LIST" ] || return 0
  while IFS=$TAB read -r host_path host_wanted _ _ host_rights; do
    host_state=changed
    if [ "$(host_sum "$host_path")" = none ]; then host_state=gone; elif is_as_wanted; then host_state=unchanged; fi
    key_value host-file "$host_path$TAB$host_state"
  done <"$HOST_LIST"
  sed -n "s/^due$TAB//p" "$HOST_DUE" 2>/dev/null | while IFS= read -r host_action; do key_value host-action-due "$host_action"; done
}
