# shellcheck shell=sh
# Which releases are kept: the current and the previous one whatever happens, and of those that ran here before them as many
# as the current release's plan allows (`retention RELEASES BYTES`), the newest ones.

# Releases in the order of their commits, the newest last: the clock of such a device tells no order.
HISTORY_FILE=$STATE_DIR/history
least_releases=2

remember_release() {
  current=$(link_id current) previous=$(link_id previous)
  [ "$current" != - ] || return 0
  {
    grep -vxF -e "$current" -e "$previous" "$HISTORY_FILE" 2>/dev/null | tail -n 100
    # A commit that was cut off before it came here is made good.
    for id in "$previous" "$current"; do [ "$id" = - ] || printf '%s\n' "$id"; done
  } >"$HISTORY_FILE.new" && mv -f "$HISTORY_FILE.new" "$HISTORY_FILE"
}

# retention FIELD: of the current release's plan, 1 releases, 2 bytes; empty where it says nothing.
retention() {
  current=$(link_id current)
  if [ "$current" != - ]; then plan_value "$current" retention "$1"; fi
}

# needed_releases: those that current, previous and the journal point to.
needed_releases() {
  link_id current
  echo
  link_id previous
  echo
  journal_load || return 0
  # Under way; a first installation that is tried again at the next boot; pushed and not yet rolled out.
  if [ "$j_next" != - ] || [ "$(link_id current)" = - ] || { [ "$j_goal" = prepare ] && [ "$j_state" = synced ]; }; then
    printf '%s\n%s\n' "$j_id" "$j_from"
  fi
}

# choose_kept: the needed ones in $scratch/needed, all that are kept in $scratch/kept, the oldest last. What a needed release
# holds must be known before anything else may go.
choose_kept() {
  keep=$(retention 1)
  case $keep in '' | *[!0-9]*) keep=$least_releases ;; esac
  [ "$keep" -ge "$least_releases" ] || keep=$least_releases
  needed_releases | awk '$0 != "-" && !seen[$0]++' | existing_releases >"$scratch/needed"
  for id in "$(link_id current)" "$(link_id previous)"; do
    if [ "$id" != - ] && ! grep -qxF -e "$id" "$scratch/needed"; then log_error E_PLAN "the plan of release $id cannot be read; nothing is removed"; return 1; fi
  done
  {
    cat "$scratch/needed"
    reversed 2>/dev/null <"$HISTORY_FILE" | existing_releases
  } | awk '!seen[$0]++' >"$scratch/candidates"
  # One that only the journal needs does not count.
  extra=$(grep -cvxF -e "$(link_id current)" -e "$(link_id previous)" "$scratch/needed")
  head -n "$((keep + extra))" "$scratch/candidates" >"$scratch/kept"
}

existing_releases() {
  while IFS= read -r id; do
    if is_release_id "$id" && [ -f "$(plan_file "$id" 2>/dev/null)" ]; then printf '%s\n' "$id"; fi
  done
}

# fit_budget: takes the oldest from $scratch/kept until the rest fits, or only needed ones are left.
fit_budget() {
  budget=$(retention 2)
  case $budget in '' | 0 | *[!0-9]*) return 0 ;; esac
  layer_sizes >"$scratch/layer-sizes"
  while :; do
    used=$(used_bytes)
    if [ "$used" -le "$budget" ]; then
      log_info "kept releases take $used of $budget bytes"
      return 0
    fi
    oldest=$(tail -n 1 "$scratch/kept")
    if grep -qxF -e "$oldest" "$scratch/needed"; then
      log_warning "kept releases take $used bytes, more than the budget of $budget; only what is needed is left: $(tr '\n' ' ' <"$scratch/kept")"
      return 0
    fi
    log_info "release $oldest does not fit the budget of $budget bytes"
    sed '$d' "$scratch/kept" >"$scratch/fewer" && mv "$scratch/fewer" "$scratch/kept"
  done
}

# used_bytes: of the releases in $scratch/kept, what they share counted once: folders, rendered files, snapshots, layers.
used_bytes() {
  : >"$scratch/used-layers.new"
  while IFS= read -r id; do
    plan_lines "$id" image | cut -f 4 | tr , '\n' >>"$scratch/used-layers.new"
    printf '%s\n' "$(release_dir "$id")" "$SNAPSHOTS_DIR/$id"
    plan_lines "$id" file | cut -f 1 | sed "s#^#$FILES_DIR/#"
  done <"$scratch/kept" | sort -u >"$scratch/used-folders"
  mv "$scratch/used-layers.new" "$scratch/used-layers"
  {
    while IFS= read -r folder; do du -s -B1 "$folder" 2>/dev/null; done <"$scratch/used-folders"
    awk -F'\t' -v used="$scratch/used-layers" '
      BEGIN { while ((getline line < used) > 0) wanted[line] = 1 }
      $1 in wanted { print $2 }' "$scratch/layer-sizes"
  } | awk '{ bytes += $1 } END { printf "%.0f\n", bytes }'
}
