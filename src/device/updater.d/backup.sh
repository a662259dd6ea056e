# shellcheck shell=sh
# Backups and restores of the data volumes. Both stop what uses the data only for as long as it takes to copy it, or to
# rename folders; packing, sending and unpacking happen beside running services.

BACKUPS_DIR=$STATE_DIR/backups
# What is under way with the data, for the next run or boot; written whole before each step.
DATA_JOURNAL=$STATE_DIR/data-journal
# Beside each data folder while a restore lasts, on the same file system: `new` and `old`.
RESTORE_DIR_NAME=prose-ship-restore
# Everything that tar keeps about a file.
TAR_ATTRIBUTES='--numeric-owner --acls --xattrs --xattrs-include=*'

d_verb=- d_step=-

# data_step STEP: writes the journal; the folders of a restore stand in $scratch/targets.
data_step() {
  d_step=$1
  {
    { printf 'format\t1\nverb\t%s\nstep\t%s\n' "$d_verb" "$d_step" && sed "s/^/target$TAB/" "$scratch/targets"; } >"$DATA_JOURNAL.new" &&
      sync "$DATA_JOURNAL.new" && mv -f "$DATA_JOURNAL.new" "$DATA_JOURNAL" && sync "$STATE_DIR"
  } || { log_error E_JOURNAL "the journal $DATA_JOURNAL cannot be written"; return 1; }
  data_fault "$d_step"
}

# Test hook: PROSE_SHIP_FAULT=backup-STEP or restore-STEP kills the updater there.
data_fault() {
  [ "${PROSE_SHIP_FAULT:-}" != "$d_verb-$1" ] || kill -KILL $$
}

data_settled() {
  rm -f "$DATA_JOURNAL" && sync "$STATE_DIR"
}

# data_volumes ID: the plan's name, the engine's name and the folder of each volume.
data_volumes() {
  plan_lines "$1" data | tr '\t' '\n' | sed 1d >"$scratch/names"
  while IFS= read -r volume; do
    full_name=$(project_of "$1")_$volume
    { mountpoint=$(docker volume inspect -f '{{.Mountpoint}}' "$full_name" 2>/dev/null) && [ -d "$mountpoint" ]; } ||
      { log_error E_VOLUME "volume $full_name of release $1 is not here" >&2; return 1; }
    printf '%s\t%s\t%s\n' "$volume" "$full_name" "$mountpoint"
  done <"$scratch/names"
}

# volume_users: the services whose containers mount a volume of $scratch/data.
volume_users() {
  cut -f 2 "$scratch/data" | while IFS= read -r full_name; do
    docker ps --all --filter "volume=$full_name" --format '{{.Label "com.docker.compose.service"}}'
  done | sort -u
}

milliseconds() {
  awk '{ printf "%d\n", $1 * 1000 }' /proc/uptime
}

installed_release() {
  engine_answers || return 1
  current=$(link_id current)
  [ "$current" != - ] || { log_error E_NOTHING_DEPLOYED 'no release runs here'; return 1; }
  data_volumes "$current" >"$scratch/data" || { error_code=E_VOLUME; return 1; }
}

# backup NAME [live] [secrets]: a copy under backups/NAME, for send-backup. Cold unless `live`.
verb_backup() {
  backup=$1
  shift
  recover_unfinished || return
  sweep_backups
  d_verb=backup
  : >"$scratch/targets"
  { installed_release && check_space_for_backup; } || return 3
  copy=$BACKUPS_DIR/.$backup.new
  mkdir -p "$copy/volumes" || return 3
  started_at=$(milliseconds) users=
  case " $* " in *' live '*) ;; *) users=$(volume_users) ;; esac
  data_step copying || return 3
  # shellcheck disable=SC2086
  if [ -n "$users" ]; then stop_services "$current" $users; fi && data_fault stopped && copy_volumes
  copied=$?
  # Whatever came of the copy, what was stopped comes up again.
  if [ -n "$users" ]; then bring_up_current || copied=1; fi
  stopped_ms=$(($(milliseconds) - started_at))
  [ -n "$users" ] || stopped_ms=0
  [ "$copied" != 0 ] || case " $* " in *' secrets '*) copy_secrets || copied=1 ;; esac
  if [ "$copied" = 0 ] && [ -n "$interrupted" ]; then log_error E_INTERRUPTED "interrupted by $interrupted"; copied=1; fi
  [ "$copied" != 0 ] || { describe_copy && mv -T "$copy" "$BACKUPS_DIR/$backup"; } || copied=1
  [ "$copied" = 0 ] || rm -rf "$copy"
  data_settled
  [ "$copied" != 0 ] || log_info "data copied; services were stopped for $stopped_ms ms"
  return "$copied"
}

check_space_for_backup() {
  need=0
  while IFS=$TAB read -r _ _ mountpoint; do
    used=$(du -s -B1 "$mountpoint" | cut -f 1)
    need=$((need + used))
  done <"$scratch/data"
  free=$(free_bytes "$STATE_DIR")
  [ "$need" -le "$free" ] || log_error E_DISK_FULL "the copy of the data needs $need bytes in $STATE_DIR, $free are free; nothing was touched"
}

copy_volumes() {
  while IFS=$TAB read -r volume _ mountpoint; do
    log_info "copying the data of $volume"
    cp -a --reflink=auto "$mountpoint" "$copy/volumes/$volume" 2>"$scratch/cp" ||
      { log_error E_SNAPSHOT "the data of $volume cannot be copied: $(tail_of "$scratch/cp")"; return 1; }
  done <"$scratch/data"
}

copy_secrets() {
  mkdir "$copy/secrets" && plan_lines "$current" secret | cut -f 1 | while IFS= read -r name; do
    cp -a "$STATE_DIR/secrets/$name" "$copy/secrets/$name" || { log_error E_MISSING_SECRET "secret $name cannot be copied"; exit 1; }
  done
}

# What the laptop makes backup.json of, and the checksums of everything but backup.json.
describe_copy() {
  {
    printf 'release\t%s\nstopped-ms\t%s\n' "$current" "$stopped_ms"
    cut -f 1 "$scratch/data" | while IFS= read -r volume; do
      find "$copy/volumes/$volume" -type f -printf '%s\n' |
        awk -v volume="$volume" '{ bytes += $1 } END { printf "volume\t%s\t%.0f\t%d\n", volume, bytes, NR }'
    done
    if [ -d "$copy/secrets" ]; then find "$copy/secrets" -type f -printf 'secret\t%f\n'; fi
  } >"$copy/contents"
  (cd "$copy" && find volumes secrets -type f -print0 2>/dev/null | sort -z | xargs -0 -r sha256sum >sums) ||
    log_error E_SNAPSHOT "the copy of the data cannot be read back"
}

# send-backup NAME: backup.json on standard input, the archive on standard output. However it ends, the copy goes.
verb_send_backup() {
  { [ $# -eq 1 ] && is_release_id "$1"; } || wrong_usage "'send-backup' takes the name of a backup"
  copy=$BACKUPS_DIR/$1
  [ -d "$copy" ] || { echo "updater: the copy '$1' is gone: another backup or prune removed it" >&2; exit 1; }
  exec 7<"$copy"
  flock -n 7 || { echo "updater: the copy '$1' is being sent already" >&2; exit 1; }
  make_scratch send
  trap 'rm -rf "$scratch" "$copy"' EXIT
  trap 'exit 1' HUP INT TERM PIPE
  cd "$copy" || exit 1
  { cat >backup.json && sha256sum backup.json >SHA256SUMS && cat sums >>SHA256SUMS; } || exit 1
  secrets=
  [ ! -d secrets ] || secrets=secrets
  # shellcheck disable=SC2086
  { tar --create --format=posix --pax-option=delete=atime,delete=ctime --sort=name $TAR_ATTRIBUTES \
    --file=- backup.json volumes $secrets SHA256SUMS; echo "$?" >"$scratch/tar"; } | gzip -c -3 || exit 1
  [ "$(cat "$scratch/tar")" = 0 ]
}

# Copies whose laptop went away. Those that are being sent hold a lock.
sweep_backups() {
  rm -f "$BACKUPS_DIR"/*.tar.gz
  for copy in "$BACKUPS_DIR"/* "$BACKUPS_DIR"/.*.new; do
    if [ -d "$copy" ] && flock -n "$copy" true; then rm -rf "$copy"; fi
  done
}

# restore NAME SHA256 [secrets] volume=VOLUME...: replaces the data by that of incoming/NAME.tar.gz.
verb_restore() {
  recover_unfinished || return
  sweep_backups
  d_verb=restore archive=$BACKUPS_DIR/$1.tar.gz
  installed_release && check_compose "$current" && take_archive "$1" "$2" || return 3
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
  mkdir -p "$BACKUPS_DIR" && mv -T "$uploaded" "$archive" && chown 0:0 "$archive" && chmod 600 "$archive" || return 1
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
  # shellcheck disable=SC2086
  tar --extract --gzip --file="$archive" --directory="$3" --same-owner --preserve-permissions $TAR_ATTRIBUTES "$1" 2>"$scratch/tar" ||
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

# recover_data: ends what a kill or a power cut left of a backup or restore. A restore that was not committed goes back.
recover_data() {
  [ -f "$DATA_JOURNAL" ] || return 0
  d_verb=$(sed -n "s/^verb$TAB//p" "$DATA_JOURNAL") d_step=$(sed -n "s/^step$TAB//p" "$DATA_JOURNAL")
  sed -n "s/^target$TAB//p" "$DATA_JOURNAL" >"$scratch/targets"
  log_info "found a $d_verb of the data at '$d_step'"
  engine_answers || return 1
  current=$(link_id current)
  if [ "$d_verb $d_step" = 'restore swapping' ]; then
    users=$(plan_services "$current")
    log_warning 'going back to the data from before'
    put_back_data || { log_error E_ROLLBACK_FAILED 'the data from before cannot be put back'; return 1; }
  fi
  drop_staging
  sweep_backups
  bring_up_current || log_warning "release $current did not come up"
  data_settled
}
