# shellcheck shell=sh
# A little of the disk is set aside before anything is stopped and given back on the way back: an engine that cannot write
# a container's settings starts nothing, not even the old release.

RESERVE=$STATE_DIR/reserve
# Two containers of a small stack take about one.
reserve_mebibytes=8

# hold_reserve: E_DISK_FULL while nothing was touched yet.
hold_reserve() {
  [ ! -f "$RESERVE" ] || return 0
  # Zeros that are really written: a hole would reserve nothing.
  if dd if=/dev/zero of="$RESERVE" bs=1048576 count="$reserve_mebibytes" 2>/dev/null && sync "$RESERVE"; then return 0; fi
  free_reserve
  log_error E_DISK_FULL "the way back needs $reserve_mebibytes MiB in $STATE_DIR, $(free_bytes "$STATE_DIR") bytes are free; nothing was touched"
}

free_reserve() {
  rm -f "$RESERVE"
}
