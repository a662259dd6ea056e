# shellcheck shell=sh
# What the laptop asks for: KEY <TAB> VALUE lines, nothing else on standard output.

key_value() {
  printf '%s\t%s\n' "$1" "$2"
}

verb_inventory() {
  make_scratch ask
  ask_engine
  key_value format 1
  key_value updater "$version"
  key_value machine "$(uname -m)"
  device_platforms | while IFS= read -r platform; do key_value platform "$platform"; done
  report_releases
  report_refusals
  key_value free "$(free_bytes "$STATE_DIR")"
  report_engine
  report_images
}

# What may keep this device from taking a release.
report_refusals() {
  ! needs_signature || key_value signers "$SIGNERS_FILE"
  if read_only=$(read_only_state); then key_value read-only "$read_only"; fi
}

report_releases() {
  for link in current previous; do
    id=$(link_id "$link")
    [ "$id" = - ] || key_value "$link" "$id"
  done
  current=$(link_id current)
  [ "$current" = - ] || data_names "$current" | while IFS= read -r name; do key_value data-name "$name"; done
  if journal_load; then key_value journal "$j_state$TAB$j_id"; fi
  for directory in "$STATE_DIR"/releases/*; do
    id=${directory##*/}
    if is_release_id "$id" && [ -f "$(plan_file "$id" 2>/dev/null)" ]; then report_release "$id"; fi
  done
}

# What may follow it depends on its data and on its recipe; older plans do not tell the recipe.
report_release() {
  recipe=$(plan_lines "$1" recipe)
  key_value release "$1$TAB$(plan_value "$1" version 1)$TAB$(data_version "$1")${recipe:+$TAB$recipe}"
}

verb_status() {
  make_scratch ask
  key_value format 1
  key_value updater "$version"
  report_releases
  report_refusals
  if journal_load && [ "$j_next" != - ]; then key_value under-way "$j_next"; fi
  if [ -f "$LOCK_FILE" ] && ! flock -n "$LOCK_FILE" true; then
    read_lock
    key_value locked "$(describe_lock)"
    [ -z "$l_log" ] || key_value run "$l_log"
  fi
  current=$(link_id current)
  if [ "$current" != - ]; then
    host_health "$current" | while IFS= read -r line; do key_value host-check "$line"; done
    containers_of "$current" | sort | while IFS=$TAB read -r service _ state health restarts _ _ exit_status; do
      if [ "$state $exit_status" = 'exited 0' ] && is_oneshot "$current" "$service"; then state=completed; fi
      key_value container "$service$TAB$state$TAB$health$TAB$restarts"
    done
  fi
  report_host_files
  last_audits | while IFS= read -r line; do key_value audit "$line"; done
}
