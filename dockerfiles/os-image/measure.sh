#!/bin/sh
# measure.sh ROOTFS OUT: how many 4096-byte blocks and inodes the tree takes, and what is installed in it.
set -eu
mkdir -p "$2"
find "$1" -xdev ! -path "$1/boot/firmware/*" -printf '%y %s\n' |
  awk '{ inodes++; if ($1 == "f" || $1 == "d") blocks += int(($2 + 4095) / 4096) + ($1 == "f" && $2 > 4096 * 4 ? 1 : 0) }
    END { printf "blocks\t%d\ninodes\t%d\n", blocks, inodes }' >"$2/measure"
printf 'bootBytes\t%s\n' "$(du -sb "$1/boot/firmware" 2>/dev/null | cut -f 1 || echo 0)" >>"$2/measure"
cp "$1/var/lib/dpkg/status" "$2/dpkg-status"
cat "$1/usr/lib/os-release" "$1/etc/os-release" 2>/dev/null | sort -u >"$2/os-release"
