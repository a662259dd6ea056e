# shellcheck shell=sh
# Disks that fail. Linux makes a file system read-only when its card does, and a card that wears out gives no bytes.
# What cannot be written down must not be begun.

# read_only_state: what the kernel says where the state cannot be written because its file system is read-only. Asked by
# writing: one that was made read-only by an error still calls itself writable.
read_only_state() {
  written=$({ [ -d "$STATE_DIR" ] || mkdir -p "$STATE_DIR"; : >"$STATE_DIR/.write-test"; } 2>&1) && { rm -f "$STATE_DIR/.write-test"; return 1; }
  case $written in *'Read-only file system'*) printf '%s' "$STATE_DIR" ;; *) return 1 ;; esac
}

# Before there is a log: the lines go to whoever asked.
refuse_read_only_state() {
  read_only_state >/dev/null || return 0
  read_date
  printf '%s\terror\tE_READ_ONLY\t%s is read-only, so nothing was begun: look for I/O errors in dmesg; a failing card is made read-only\n' "$now" "$STATE_DIR"
  printf '%s\tend\t3\n' "$now"
  exit 3
}

# is_io_error FILE: somebody's messages tell of a disk that gave no bytes.
is_io_error() {
  grep -q 'Input/output error' "$1"
}
