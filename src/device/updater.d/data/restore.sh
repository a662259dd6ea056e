# shellcheck shell=sh
# Restores of the data volumes. Unpacking happens beside running services; they stop only while folders are renamed.

# Beside each data folder while a restore lasts, on the same file system: `new` and `old`.
RESTORE_DIR_NAME=prose-ship-restore

# restore NAME SHA256 [secrets] volume=VOLUME...: replaces the data by that of incoming/NAME.tar.gz.
verb_restore() {
  recover_unfinished || return
  sweep_backups
  d_verb=restore archive=$BACKUPS_DIR/$1.tar.gz
  installed_release && check_services "$current" && take_archive "$1" "$2" || return 3
  shift 2
  { choose_targets "$@" && data_step unpacking; } || { rm -f "$archive"; return 3; }
  unpack_archive
  unpacked=$?
  rm -f "$archive"
  if [ "$unpacked" = 0 ] && [ -n "$interrupted" ]; then log_error E_INTERRUPTED "interrupted by $interrupted; nothing was touched"; unpacked=1; fi
  if [ "$unpacked" != 0 ]; then drop_staging; data_settled; return 3; fi
  if data_step swapping && swap_data && bring_up_current && gate "$current" && data_step committed; then
    drop_staging
    data_settled
    log_info 'the restored data is in use'
    return 0
  fi
  keep_code=$error_code interrupted=
  log_warning 'going back to the data from before'
  { put_back_data && bring_up_current && gate "$current"; } ||
    { log_error E_ROLLBACK_FAILED 'the way back to the data from before did not end well; the next boot or run tries again'; return 1; }
  drop_staging
  data_settled
  error_code=$keep_code
  return 4
}

take_archive() {
  uploaded=$INCOMING_DIR/$1.tar.gz
  if [ ! -f "$uploaded" ] || [ -L "$uploaded" ]; then log_error E_NOT_UPLOADED "there is no $uploaded"; return 1; fi
  mkdir -p "$BACKUPS_DIR" && mv -T "$uploaded" "$archive" && set_owner 0:0 "$archive" && chmod 600 "$archive" || return 1
  [ "$(sha256sum <"$archive" | cut -c 1-64)" = "$2" ] || { log_error E_CHECKSUM 'the backup was damaged on its way here'; rm -f "$archive"; return 1; }
}

# choose_targets [secrets] volume=VOLUME...: member and folder of everything to replace, in $scratch/members; the
# services to stop in $users.
choose_targets() {
  : >"$scratch/members"
  users=$(volume_users)
  for word in "$@"; do
    case $word in
      # A secret that is mounted stays the old one until its container starts again.
      secrets) printf 'secrets\t%s\n' "$STATE_DIR/secrets" >>"$scratch/members"; users=$(plan_services "$current") ;;
      volume=*)
        awk -F'\t' -v volume="${word#volume=}" '$1 == volume { print "volumes/" $1 "\t" $3; found = 1 } END { exit !found }' \
          "$scratch/data" >>"$scratch/members" || { log_error E_VOLUME "release $current has no volume ${word#volume=}"; return 1; }
        ;;
    esac
  done
  cut -f 2 "$scratch/members" >"$scratch/targets"
  while IFS= read -r target; do
    # Such a volume is a disk or share of somebody else's: its folder cannot be renamed.
    ! mountpoint -q "$target" || { log_error E_VOLUME "$target is a mount point; restore its data by hand"; return 1; }
  done <"$scratch/targets"
}

# staging_of TARGET
staging_of() {
  printf '%s/%s' "${1%/*}" "$RESTORE_DIR_NAME"
}

unpack_archive() {
  tar --extract --gzip --file="$archive" --directory="$scratch" SHA256SUMS 2>"$scratch/tar" ||
    { log_error E_CHECKSUM "the backup cannot be unpacked: $(tail_of "$scratch/tar")"; return 1; }
  while IFS=$TAB read -r member target; do
    unpack_member "$member" "$target" "$(staging_of "$target")" || return 1
  done <"$scratch/members"
  sync
}

unpack_member() {
  log_info "unpacking $1"
  rm -rf "$3" && mkdir -p "$3" || return 1
  # shellcheck disable=SC2046,SC2086
  tar --extract --gzip --file="$archive" --directory="$3" $(tar_owner) --preserve-permissions $TAR_ATTRIBUTES "$1" 2>"$scratch/tar" ||
    { log_error E_UNPACK "$1 of the backup cannot be unpacked: $(tail_of "$scratch/tar"); nothing was touched"; return 1; }
  awk -v member="$1/" '{ name = $0; sub(/^\\/, "", name) } index(substr(name, 67), member) == 1' "$scratch/SHA256SUMS" >"$scratch/sums"
  if [ -s "$scratch/sums" ] && ! (cd "$3" && sha256sum --check --strict --quiet "$scratch/sums" >"$scratch/check" 2>&1); then
    log_error E_CHECKSUM "$1 of the backup is damaged: $(tail_of "$scratch/check")"
    return 1
  fi
  # Secrets that the backup does not hold stay.
  if [ "$1" = secrets ]; then cp -an "$2/." "$3/secrets/" && chmod 700 "$3/secrets" || return 1; fi
  mv -T "$3/$1" "$3/new"
}

# Two renames a folder; a kill in between leaves `old` and `new` side by side, and put_back_data undoes either.
swap_data() {
  # shellcheck disable=SC2086
  if [ -n "$users" ]; then stop_services "$current" $users || return 1; fi
  data_fault stopped
  while IFS= read -r target; do
    staging=$(staging_of "$target")
    { mv -T "$target" "$staging/old" && data_fault half && mv -T "$staging/new" "$target"; } ||
      { log_error E_SWAP "$target cannot be replaced"; return 1; }
  done <"$scratch/targets"
  sync
  data_fault swapped
}

put_back_data() {
  # shellcheck disable=SC2086
  if [ -n "$users" ]; then stop_services "$current" $users || return 1; fi
  while IFS= read -r target; do
    staging=$(staging_of "$target")
    [ -d "$staging/old" ] || continue
    # Where both stand, the engine has made an empty folder in the gap between the two renames.
    if [ -d "$target" ]; then
      if [ -d "$staging/new" ]; then rmdir "$target"; else mv -T "$target" "$staging/new"; fi || return 1
    fi
    mv -T "$staging/old" "$target" || return 1
  done <"$scratch/targets"
  sync
}

# The old data goes for good, so it is never called while `old` is what counts.
drop_staging() {
  while IFS= read -r target; do rm -rf "$(staging_of "$target")"; done <"$scratch/targets"
}
