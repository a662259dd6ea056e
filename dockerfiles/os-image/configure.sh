#!/bin/sh
# Runs in the target's own root file system: dpkg and the packages' maintainer scripts; what those call by name is
# native where that makes no difference. Prints how long it took.
set -eu
export DEBIAN_FRONTEND=noninteractive INITRD=No PATH="/native/opt/native/bin:$PATH"
now() { cut -d ' ' -f 1 /proc/uptime; }
began=$(now)
[ ! -s /debconf ] || debconf-set-selections /debconf
dpkg --force-unsafe-io --force-confdef --force-confold --configure -a
echo "configured in $(now) $began" | awk '{ printf "configured in %.1f s\n", $3 - $4 }'
