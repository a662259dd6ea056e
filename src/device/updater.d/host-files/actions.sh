# shellcheck shell=sh
# What follows when host files changed: each touched action's check, then, when all are content, what makes programs take
# the files in.

longest_action_seconds=1200

# note_due ID: adds the touched actions to those that are due already.
note_due() {
  { sed -n "s/^due$TAB//p" "$HOST_DUE" 2>/dev/null; cat "$scratch/host-touched"; } | awk '!seen[$0]++' >"$scratch/host-due"
  [ -s "$scratch/host-due" ] || return 0
  {
    sed "s/^/due$TAB/" "$scratch/host-due"
    due_definitions "$1"
  } >"$scratch/host-due-file"
  cmp -s "$scratch/host-due-file" "$HOST_DUE" || store_host_state "$HOST_DUE" <"$scratch/host-due-file"
}

# due_definitions ID: of the release that wants the files; else of the one whose files go, or is half laid down.
due_definitions() {
  set -- "$1" /dev/null
  if [ "$1" != - ]; then set -- "$1" "$(plan_file "$1")" /dev/null; fi
  for host_known in "$HOST_ACTIONS" "$HOST_DUE"; do [ ! -f "$host_known" ] || set -- "$@" "$host_known"; done
  shift
  awk -F'\t' -v due="$scratch/host-due" '
    BEGIN { while ((getline line < due) > 0) wanted[line] = 1 }
    ($1 == "action" || $1 == "action-check" || $1 == "action-apply") && $2 in wanted {
      if (!($2 in from)) from[$2] = FILENAME
      if (from[$2] == FILENAME) print
    }' "$@"
}

# run_due_actions ID: where $host_mode is `strict` the first that fails ends it. On the way back and at a boot one that fails
# is told, stays due for the next run, and keeps nothing else from going on.
run_due_actions() {
  [ -f "$HOST_DUE" ] || return 0
  awk -F'\t' '$1 == "action" { print $2 "\t" $3 }' "$HOST_DUE" >"$scratch/host-actions"
  : >"$scratch/host-content"
  host_failed=no
  while IFS=$TAB read -r host_action host_limit; do
    if run_host_commands check "$1"; then
      printf '%s\t%s\n' "$host_action" "$host_limit" >>"$scratch/host-content"
    elif [ "$host_mode" = strict ]; then
      return 1
    else
      host_failed=yes
    fi
  done <"$scratch/host-actions"
  fault_for_test host-files-checked
  while IFS=$TAB read -r host_action host_limit; do
    run_host_commands apply "$1" && continue
    [ "$host_mode" != strict ] || return 1
    host_failed=yes
  done <"$scratch/host-content"
  fault_for_test host-files-applied
  [ "$host_failed" = yes ] || { rm -f "$HOST_DUE" && sync "$HOST_DIR"; }
}

# run_host_commands check|apply ID: those of $host_action.
run_host_commands() {
  awk -F'\t' -v directive="action-$1" -v action="$host_action" '
    $1 == directive && $2 == action { sub(/^[^\t]*\t[^\t]*\t/, ""); print }' "$HOST_DUE" >"$scratch/host-commands"
  while IFS= read -r host_command; do
    run_host_command "$1" "$2" || return 1
  done <"$scratch/host-commands"
}

run_host_command() {
  host_kind=$1 host_for=$2
  saved_ifs=$IFS
  IFS=$TAB
  set -f
  # shellcheck disable=SC2086
  set -- $host_command
  set +f
  IFS=$saved_ifs
  host_words=$(one_line "$*")
  if ! has_host_program "$1" && ! knows_action "$host_for"; then
    log_warning "action $host_action of a release that goes is left out: $1 is not on this host any more"
    return 0
  fi
  log_info "host files changed, action $host_action: $host_words"
  [ "$host_limit" -le "$longest_action_seconds" ] || host_limit=$longest_action_seconds
  # What it leaves running must hold neither the lock nor the log.
  # shellcheck disable=SC2016 # that shell's own arguments
  PATH=$host_search_path timeout -k 5 "$host_limit" sh -c 'cd / && exec 7>&- 8>&- 9>&- && exec "$@"' sh "$@" \
    </dev/null >"$scratch/host-output" 2>&1
  host_status=$?
  case $host_status in
    0) return 0 ;;
    124 | 137) host_reason="did not end in $host_limit s" ;;
    *) host_reason="ended with exit status $host_status: $(tail_of "$scratch/host-output")" ;;
  esac
  case $host_kind in
    check) host_problem E_HOST_FILE_CHECK "the host refuses the new files: '$host_words' (check of action $host_action) $host_reason" ;;
    apply) host_problem E_HOST_FILE_APPLY "'$host_words' (action $host_action) $host_reason" ;;
  esac
}

knows_action() {
  [ "$1" != - ] && plan_lines "$1" action | cut -f 1 | grep -qxF -e "$host_action"
}
