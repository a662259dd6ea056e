#!/bin/sh
# Runs one dockerd for as long as anybody holds a shared lock on USERS, and leaves nothing behind but DATA.
# Usage (as root, on Linux): private-engine.sh USERS RUN CONFIG BRIDGE GATEWAY/PREFIX
#   USERS    lock file: every process that uses the engine holds a shared flock on it, which dies with the process
#   RUN      folder that this script makes and removes: docker.sock, docker.pid, exec-root
#   CONFIG   dockerd's --config-file
#   BRIDGE   name of the network bridge that this script makes and removes
set -eu
users=$1
run=$2
config=$3
bridge=$4
gateway=$5
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
stop_within_s=20

remove_leftovers() {
  ip link del "$bridge" 2>/dev/null || true
  # dockerd leaves its rules in place when it ends.
  for tables in iptables ip6tables; do
    for table in filter nat; do
      "$tables" -w -t "$table" -S 2>/dev/null | grep -F -w -- "$bridge" | while read -r _ rule; do
        # shellcheck disable=SC2086 # the rule is split into words as iptables printed it
        "$tables" -w -t "$table" -D $rule 2>/dev/null || true
      done
    done
  done
  # Control groups: one tree (v2) or one for each controller (v1).
  for tree in "/sys/fs/cgroup/$bridge" /sys/fs/cgroup/*/"$bridge"; do
    [ ! -d "$tree" ] || find "$tree" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
}

# What an engine that was killed has left; the caller holds the only right to start one.
remove_leftovers
rm -rf "$run"
mkdir -p "$run"
chmod 0700 "$run"
ip link add "$bridge" type bridge
ip address add "$gateway" dev "$bridge"
ip link set "$bridge" up
# An engine that starts later may empty the chains that hold this one's rules (Docker 28 does); it leaves FORWARD alone.
iptables -w -A FORWARD -i "$bridge" -j ACCEPT || true
iptables -w -A FORWARD -o "$bridge" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT || true

# In namespaces of its own, so that containerd, shims and mounts end with dockerd even if it is killed, and so that a
# containerd of the machine (/run/containerd) is not mistaken for its own. Process 1 there is a shell, because the kernel
# keeps SIGTERM from a process 1 that has no handler yet.
(
  export run config
  # shellcheck disable=SC2016 # expanded by the inner shell
  unshare --mount --pid --fork --kill-child=KILL -- sh -euc '
    (
      read -r pid _ </proc/self/stat
      mount -t proc proc /proc
      [ ! -d /run/containerd ] || mount -t tmpfs tmpfs /run/containerd
      echo "$pid" >"$run/outer-pid"
      exec dockerd --config-file "$config"
    ) &
    wait $!
  ' || true
  : >"$run/ended"
) &

# Waits until nobody uses the engine any more or dockerd has ended by itself. The lock is kept until this script ends:
# whoever wants to start an engine next waits until this one is gone.
exec 9<"$users"
until flock --exclusive --timeout 1 9; do
  [ ! -e "$run/ended" ] || break
done

pid=
waited=0
until [ -e "$run/ended" ]; do
  if [ -z "$pid" ] && pid=$(cat "$run/outer-pid" 2>/dev/null) && [ -n "$pid" ]; then kill -TERM "$pid" 2>/dev/null || true; fi
  sleep 0.1
  waited=$((waited + 1))
  [ "$waited" -ne $((stop_within_s * 10)) ] || [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
done
remove_leftovers
rm -rf "$run"
