# shellcheck shell=sh
# One changing verb at a time. The kernel holds the lock (flock on descriptor 9) for as long as this program or a child
# of it lives, so a killed updater whose `docker compose` still runs keeps it, and a power cut always frees it.
# What stands in the file only tells people who the owner is; a boot id other than today's marks it as history.

LOCK_FILE=$STATE_DIR/lock
# At boot, or after a kill, a last child may need a moment to end.
lock_wait_seconds=5

boot_id() {
  cat /proc/sys/kernel/random/boot_id
}

take_lock() {
  exec 9>>"$LOCK_FILE"
  if ! flock -w "$lock_wait_seconds" 9; then
    log_error E_LOCKED "another updater run holds the lock: $(lock_owner)"
    return 1
  fi
  {
    printf 'owner\t%s\n' "$(operator)"
    printf 'run\t%s\n' "$1"
    printf 'pid\t%s\n' "$$"
    printf 'boot\t%s\n' "$(boot_id)"
    printf 'time\t%s\n' "$(date +%s)"
  } >"$LOCK_FILE"
}

lock_owner() {
  awk -F'\t' '{ sub(/\t/, " "); printf "%s%s", (NR > 1 ? ", " : ""), $0 }' "$LOCK_FILE" 2>/dev/null
}
