# shellcheck shell=sh
# Clocks. A board without battery wakes up years ago, and its clock leaps when a time server is reached, in the middle
# of whatever runs; so dates are for people to read, and waiting is counted in seconds since the boot.

monotonic_seconds() {
  read -r monotonic _ </proc/uptime
  printf '%s' "${monotonic%%.*}"
}

# The kernel knows whether a time server disciplines its clock; systemd and its timesyncd tell.
clock_is_set() {
  [ -e /run/systemd/timesync/synchronized ] || [ "$(timedatectl show --property=NTPSynchronized --value 2>/dev/null)" = yes ]
}
