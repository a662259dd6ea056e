# shellcheck shell=sh
# Clocks. A board without battery wakes up years ago, and its clock leaps when a time server is reached, in the middle
# of whatever runs; so dates are for people to read, and waiting is counted in seconds since the boot.

# Sets uptime_now, in whole seconds.
read_uptime() {
  IFS='. ' read -r uptime_now _ </proc/uptime
}

# Sets now, the date in seconds: the clock is asked once in a second, by whoever does not call this in a subshell.
read_date() {
  read_uptime
  [ "$uptime_now" = "${date_read_at:-}" ] || { now=$(date +%s) date_read_at=$uptime_now; }
}

monotonic_seconds() {
  read_uptime
  printf '%s' "$uptime_now"
}

# The kernel knows whether a time server disciplines its clock; systemd and its timesyncd tell.
clock_is_set() {
  [ -e /run/systemd/timesync/synchronized ] || [ "$(timedatectl show --property=NTPSynchronized --value 2>/dev/null)" = yes ]
}
