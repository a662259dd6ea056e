# shellcheck shell=sh
# Backups of the data volumes. What uses the data stops only for as long as it takes to copy it; packing and sending
# happen beside running services.

BACKUPS_DIR=$STATE_DIR/backups
# Everything that tar keeps about a file.
TAR_ATTRIBUTES='--numeric-owner --acls --xattrs --xattrs-include=*'

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

milliseconds() {
  awk '{ printf "%d\n", $1 * 1000 }' /proc/uptime
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
