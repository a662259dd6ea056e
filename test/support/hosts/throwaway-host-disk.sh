#!/bin/sh
# Holds the disk of a throw-away host in a mount namespace of its own, so that a reboot keeps it and the end of this
# process takes it away. Usage (as root, in a fresh mount namespace): throwaway-host-disk.sh DIRECTORY DISK_MIB
# DISK_MIB limits what /var/lib/docker and /var/lib/prose-ship hold together; 0 means no limit.
set -eu
directory=$1
disk_mib=$2
root=$directory/root

mkdir -p "$directory/upper" "$directory/work" "$root" "$directory/disk"
mount -t overlay overlay -o "lowerdir=/,upperdir=$directory/upper,workdir=$directory/work" "$root"
if [ "$disk_mib" -gt 0 ]; then
  mount -t tmpfs -o "size=${disk_mib}m,mode=0755" tmpfs "$directory/disk"
fi
# dockerd cannot keep its layers on an overlay, and what the machine itself has in these folders is not the host's.
for name in docker prose-ship; do
  mkdir -p "$directory/disk/$name" "$root/var/lib/$name"
  mount --bind "$directory/disk/$name" "$root/var/lib/$name"
done
install -d -m 1777 "$directory/var-tmp"
install -d -m 0700 "$directory/root-home"
mount --bind "$directory/var-tmp" "$root/var/tmp"
mount --bind "$directory/root-home" "$root/root"
rm -rf "$root/usr/lib/prose-ship"

echo ready
exec sleep infinity
