#!/bin/sh
# download.sh [--firmware] PACKAGE...: asks the apt of this machine for what the system in /rootfs lacks; the .debs go to /debs.
# /rootfs keeps its own sources and keys; only its architecture is foreign.
set -eu

case $TARGETARCH in
  arm64) architecture=arm64 ;;
  arm) architecture=armhf ;;
  amd64) architecture=amd64 ;;
esac
firmware=no
if [ "${1:-}" = --firmware ]; then firmware=yes && shift; fi
mkdir -p /debs
[ $# -gt 0 ] || exit 0
mkdir -p /debs/partial /apt/lists/partial
# Sources name their keys by absolute paths.
cp -an /rootfs/usr/share/keyrings/. /usr/share/keyrings/
[ ! -d /rootfs/etc/apt/trusted.gpg.d ] || cp -an /rootfs/etc/apt/trusted.gpg.d/. /etc/apt/trusted.gpg.d/
[ ! -d /rootfs/etc/apt/keyrings ] || { mkdir -p /etc/apt/keyrings && cp -an /rootfs/etc/apt/keyrings/. /etc/apt/keyrings/; }

# This machine's own mirror, where it has one, else what the system itself names.
mkdir -p /apt/sources.list.d
if [ -s /apt/sources/debian.sources ]; then
  cp /apt/sources/debian.sources /apt/sources.list.d/
else
  cp /rootfs/etc/apt/sources.list.d/* /apt/sources.list.d/ 2>/dev/null || :
  [ ! -f /rootfs/etc/apt/sources.list ] || cp /rootfs/etc/apt/sources.list /apt/sources.list.d/system.list
fi
# The Raspberry Pi's firmware is in a component of its own.
[ "$firmware" = no ] || sed -i 's/^Components: main$/Components: main non-free-firmware/' /apt/sources.list.d/*
# Docker's packages, where the engine is to be Docker's.
if [ -e /customise/engine-source.sh ]; then /customise/engine-source.sh /rootfs >/apt/sources.list.d/engine.sources; fi
apt() {
  apt-get -q -o APT::Architecture="$architecture" -o APT::Architectures::="$architecture" -o APT::Install-Recommends=false \
    -o Dir::State::status=/rootfs/var/lib/dpkg/status -o Dir::State::Lists=/apt/lists -o Dir::Cache::archives=/debs \
    -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=/apt/sources.list.d "$@"
}
apt update
apt install -y --download-only "$@"
rm -rf /debs/partial /debs/lock
echo "downloaded $(find /debs -name '*.deb' | wc -l) packages, $(du -sm /debs | cut -f 1) MiB"
