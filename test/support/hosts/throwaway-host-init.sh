#!/bin/sh
# Process 1 of a throw-away host: makes the namespaces into a machine, starts sshd and dockerd, reaps orphans.
# Usage (in fresh mount, pid, net, uts and ipc namespaces made from those of throwaway-host-disk.sh):
#   throwaway-host-init.sh DIRECTORY NAME ADDRESS/PREFIX ENGINE(yes|no)
set -eu
directory=$1
name=$2
address=$3
engine=$4

# /proc is still the machine's own, so this is the process id as the machine sees it.
read -r outer_pid _ </proc/self/stat
echo "pid $outer_pid"

cd "$directory/root"
mount -t proc proc proc
# A sysfs mounted here shows this network namespace's devices; control groups stay those of the machine.
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs -o mode=0755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p run/sshd run/lock mnt
# Caches are the whole machine's: a test that drops them would slow down everything else that runs on it.
touch run/drop_caches
mount --bind run/drop_caches proc/sys/vm/drop_caches
pivot_root . mnt
cd /
umount -l /mnt
unset directory

hostname "$name"
echo "$name" >/etc/hostname
printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n' "$name" >/etc/hosts

ip link set lo up
tries=0
until ip link show eth0 >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -lt 100 ] || { echo "the network device did not appear" >&2; exit 1; }
  sleep 0.05
done
# No default route: a host that needs the internet must not go unnoticed.
ip address add "$address" dev eth0
ip link set eth0 up

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
/usr/sbin/sshd -f /etc/ssh/throwaway/sshd_config -E /var/log/sshd.log
if [ "$engine" = yes ]; then
  # A kill of the whole host leaves pid files in /run only, which is fresh; dockerd recovers the rest by itself.
  dockerd --config-file /etc/docker/throwaway.json >>/var/log/dockerd.log 2>&1 &
fi
echo booted
# `wait` takes every child that ends, orphans that fell to process 1 included.
while :; do
  sleep 3600 &
  wait $! || true
done
