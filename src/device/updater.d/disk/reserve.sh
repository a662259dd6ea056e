# shellcheck shell=sh
# A little of the disk is set aside before anything is stopped and given back on the way back: an engine that cannot write
# a container's settings starts nothing, not even the old release. In two parts, because whatever fills the disk may take the
# first one, too, before the old release runs.

RESERVE=$STATE_DIR/reserve
# Two containers of a small stack take about one.
reserve_mebibytes=8

# hold_reserve: E_DISK_FULL while nothing was touched yet.
hold_reserve() {
  for part in "$RESERVE" "$RESERVE.last"; do
    [ ! -f "$part" ] || continue
    # Zeros that are really written: a hole would reserve nothing.
    if dd if=/dev/zero of="$part" bs=1048576 count="$reserve_mebibytes" 2>/dev/null && sync "$part"; then continue; fi
    free_reserve
    log_error E_DISK_FULL "the way back needs $((2 * reserve_mebibytes)) MiB in $STATE_DIR, $(free_bytes "$STATE_DIR") bytes are free; nothing was touched"
    return 1
  done
}

# spend_reserve: gives one part back; fails when none is left.
spend_reserve() {
  for part in "$RESERVE" "$RESERVE.last"; do
    [ ! -f "$part" ] || { rm -f "$part"; return; }
  done
  return 1
}

free_reserve() {
  rm -f "$RESERVE" "$RESERVE.last"
}

# Whether a part of the reserve would help.
disk_is_full() {
  [ "$(free_bytes "$STATE_DIR")" -lt "$((reserve_mebibytes * 1048576))" ]
}
