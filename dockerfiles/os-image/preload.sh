#!/bin/sh
# A throw-away engine loads the archives of /in and leaves its data folder as /out/store.tar.zst, the same bytes each time.
# Runs privileged, in a container of this machine's own architecture: nothing of the images is started.
#   preload.sh EPOCH REFERENCE...    what /in must give
set -eu
epoch=$1
shift
store=/store socket=unix:///run/preload.sock
export DOCKER_HOST=$socket

fail() {
  printf 'prose-ship-error\t%s\t%s\n' "$1" "$2" >&2
  exit 1
}

start_engine() {
  dockerd --data-root "$store" --exec-root /run/preload --pidfile /run/preload.pid --host "$socket" --storage-driver overlay2 \
    --bridge none --iptables=false --ip6tables=false --log-level warn >/run/preload.log 2>&1 &
  engine=$!
  tries=0
  until docker version >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ] || ! kill -0 "$engine" 2>/dev/null; then
      tail -n 20 /run/preload.log >&2
      fail E_PRELOAD_ENGINE 'the engine that fills the store did not start'
    fi
    sleep 0.1
  done
}

stop_engine() {
  kill "$engine"
  wait "$engine" || :
}

# What remains is what the engine calls its images; networks, volumes, caches and its own id are made afresh on the device.
keep_images() {
  find "$store" -mindepth 1 -maxdepth 1 ! -name image ! -name overlay2 -exec rm -rf {} +
  rm -rf "$store/overlay2/backingFsBlockDev" "$store/image/overlay2/layerdb/tmp" "$store/image/overlay2/layerdb/mounts"
  find "$store/image" -name lastUpdated -exec sh -c 'printf %s "$(date -u -d "@$0" +%Y-%m-%dT%H:%M:%SZ)" >"$1"' "$epoch" {} \;
}

# The engine draws the names of its layer folders at random. They get names made of the layers' chain ids; nothing else is
# changed, and the engine itself is asked afterwards whether it still has everything.
name_layers() {
  cd "$store/overlay2"
  : >/run/links
  for layer in "$store"/image/overlay2/layerdb/sha256/*; do
    old=$(cat "$layer/cache-id") new=${layer##*/}
    short=$(printf %.26s "$new" | tr a-f A-F)
    printf 's#l/%s\\b#l/%s#g\n' "$(cat "$old/link")" "$short" >>/run/links
    mv "$old" "$new"
    printf %s "$new" >"$layer/cache-id"
    printf %s "$short" >"$new/link"
  done
  rm -rf l && mkdir -m 0755 l
  for layer in */; do
    layer=${layer%/}
    [ -f "$layer/link" ] || continue
    ln -s "../$layer/diff" "l/$(cat "$layer/link")"
    [ ! -f "$layer/lower" ] || sed -i -f /run/links "$layer/lower"
  done
  cd /
}

layers_of() { docker image inspect -f '{{json .RootFS.Layers}}' "$1"; }

start_engine
for archive in /in/*; do docker load --quiet --input "$archive"; done
for reference in "$@"; do layers_of "$reference" >>/run/before || fail E_PRELOAD_IMAGE "the archives did not give $reference"; done
docker version -f '{{.Server.Version}}' >/out/engine-version
stop_engine
keep_images
name_layers
start_engine
for reference in "$@"; do
  layers_of "$reference" >>/run/after || fail E_PRELOAD_IMAGE "the engine does not find $reference in the store any more"
  docker rm "$(docker create --pull never "$reference" /nothing)" >/dev/null
done
cmp /run/before /run/after || fail E_PRELOAD_IMAGE 'the store does not give the same images'
stop_engine
keep_images
find "$store" -printf '%y %s\n' | awk '{ inodes++; if ($1 == "f" || $1 == "d") blocks += int(($2 + 4095) / 4096) }
  END { printf "blocks\t%d\ninodes\t%d\n", blocks, inodes }' >/out/measure
tar -C "$store" -b 1 --sort=name --format=posix --numeric-owner --xattrs --xattrs-include='*' --mtime="@$epoch" --clamp-mtime \
  --pax-option='delete=atime,delete=ctime,exthdr.name=%d/PaxHeaders/%f' --transform 's,^\.,./var/lib/docker,S' -cf - . | zstd -q -T0 -1 -o /out/store.tar.zst
