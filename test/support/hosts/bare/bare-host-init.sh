#!/bin/sh
# Process 1 of a bare host: a Debian that nobody has installed anything on, with no network device but lo, and no systemd.
# Usage (in fresh mount, pid, net, uts and ipc namespaces): bare-host-init.sh ROOT NAME
set -eu
root=$1
name=$2

# /proc is still the machine's own, so this is the process id as the machine sees it.
read -r outer_pid _ </proc/self/stat
ip link set lo up
hostname "$name"
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs -o mode=0755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p run/lock mnt
pivot_root . mnt
cd /
umount -l /mnt
echo "pid $outer_pid"

# Stands in for systemd: it starts the engine once its package is there, and again when it ends. (Debian's init script raises
# limits, which nobody may in the containers that tests run in.)
watch_engine() {
  until [ "$(dpkg-query -W -f '${db:Status-Status}' docker.io 2>/dev/null)" = installed ]; do sleep 1; done
  while :; do
    rm -f /var/run/docker.pid
    dockerd >>/var/log/dockerd.log 2>&1 || sleep 1
  done
}
watch_engine </dev/null >/dev/null 2>&1 &

# `wait` takes every child that ends, orphans that fell to process 1 included.
while :; do
  sleep 3600 &
  wait $! || true
done
