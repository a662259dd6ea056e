# An OS image for a Raspberry Pi from a root file system, the packages that it lacks, and a site's customisation.
#
# Build context: dockerfiles/os-image (scripts). Named contexts:
#   rootfs     an OCI image of the base's root file system; not used for the base `debian`
#   customise  what src/bake/customise/ writes for this site
#   layout     parameters, boot partition and images that src/bake/assemble/ lays out
# Only dpkg's configuration of packages runs under emulation, and even there interpreters and tools are native.
ARG OS_BASE=rootfs

FROM --platform=$BUILDPLATFORM debian:trixie-slim AS tools
RUN --mount=type=secret,id=apt-sources,target=/etc/apt/sources.list.d/debian.sources,mode=0444 <<'INSTALL'
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -qy --no-install-recommends busybox-static ca-certificates cpio dosfstools e2fsprogs fdisk kmod libarchive13t64 locales \
    mtools openssl passwd python3-minimal python3 systemd udev xz-utils zstd
rm -rf /var/lib/apt/lists/*
INSTALL
RUN --mount=type=bind,source=native.sh,target=/native.sh sh /native.sh

# The base `debian`: a Debian system with Debian's kernel and the Raspberry Pi's firmware.
FROM tools AS debian-debs
ARG TARGETARCH
RUN --mount=type=secret,id=apt-sources,target=/apt/sources/debian.sources,mode=0444 --mount=type=bind,from=debian:trixie-slim,target=/rootfs --mount=type=bind,source=.,target=/os-image \
    /os-image/download.sh --firmware $(cat /os-image/debian-packages /os-image/debian-packages-$TARGETARCH)

FROM debian:trixie-slim AS debian-packages
RUN --mount=type=bind,from=tools,target=/native --mount=type=bind,from=debian-debs,source=/debs,target=/debs --mount=type=bind,source=.,target=/os-image \
    ["/native/usr/bin/busybox", "sh", "/os-image/unpack.sh"]
RUN --mount=type=bind,from=tools,target=/native --mount=type=bind,source=.,target=/os-image \
    --mount=type=bind,from=tools,source=/opt/native/dash,target=/usr/bin/dash \
    --mount=type=bind,from=tools,source=/opt/native/perl,target=/usr/bin/perl \
    --mount=type=bind,from=tools,source=/opt/native/python3,target=/usr/bin/python3.13 \
    ["/bin/sh", "/os-image/configure.sh"]

# Made natively: update-initramfs takes ten minutes under emulation. The next kernel update on the device makes Debian's own.
FROM tools AS initramfs
ARG SOURCE_DATE_EPOCH
RUN --mount=type=bind,from=debian-packages,target=/rootfs --mount=type=bind,source=.,target=/os-image \
    kernel=$(ls /rootfs/usr/lib/modules) && mkdir /boot/made && /os-image/initramfs/make.sh /rootfs "$kernel" "/boot/made/initrd.img-$kernel"

FROM debian-packages AS debian
COPY --from=initramfs /boot/made/ /boot/
RUN --mount=type=bind,from=tools,target=/native --mount=type=bind,source=.,target=/os-image \
    --mount=type=bind,from=tools,source=/opt/native/dash,target=/usr/bin/dash \
    ["/bin/sh", "/os-image/debian.sh"]

# What the site and its recipe want installed.
FROM ${OS_BASE} AS base

# A repository in a folder, where the site names one.
FROM scratch AS engine-repository

FROM tools AS site-debs
ARG TARGETARCH
RUN --mount=type=secret,id=os-apt-sources,target=/apt/sources/debian.sources,mode=0444 --mount=type=bind,from=base,target=/rootfs --mount=type=bind,source=.,target=/os-image \
    --mount=type=bind,from=customise,source=packages,target=/customise/packages \
    --mount=type=bind,from=customise,source=engine-source.sh,target=/customise/engine-source.sh \
    --mount=type=bind,from=customise,source=engine.sources,target=/customise/engine.sources \
    --mount=type=bind,from=engine-repository,target=/engine-repository \
    /os-image/download.sh $(cat /customise/packages)

FROM base AS packages
RUN --mount=type=bind,from=tools,target=/native --mount=type=bind,from=site-debs,source=/debs,target=/debs --mount=type=bind,source=.,target=/os-image \
    ["/native/usr/bin/busybox", "sh", "/os-image/unpack.sh"]
RUN --mount=type=bind,from=tools,target=/native --mount=type=bind,source=.,target=/os-image --mount=type=bind,from=customise,source=debconf,target=/debconf \
    --mount=type=bind,from=tools,source=/opt/native/dash,target=/usr/bin/dash \
    --mount=type=bind,from=tools,source=/opt/native/perl,target=/usr/bin/perl \
    ["/bin/sh", "/os-image/configure.sh"]

# What was installed, and how much room it takes: known before anything is laid out.
FROM tools AS measure
ARG SOURCE_DATE_EPOCH
RUN --mount=type=bind,from=packages,target=/rootfs --mount=type=bind,source=.,target=/os-image --mount=type=bind,from=customise,target=/customise \
    sh /customise/setup.sh --check /rootfs && /os-image/measure.sh /rootfs /out
FROM scratch AS inventory
COPY --from=measure /out/ /

# A throw-away engine fills its own data folder (src/bake/preload/).
FROM --platform=$BUILDPLATFORM tools AS engine
RUN --mount=type=secret,id=apt-sources,target=/etc/apt/sources.list.d/debian.sources,mode=0444 <<'INSTALL'
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -qy --no-install-recommends docker.io docker-cli iptables
rm -rf /var/lib/apt/lists/*
INSTALL
COPY preload.sh /usr/lib/prose-ship/preload
RUN mkdir /in /out
ENTRYPOINT ["/usr/lib/prose-ship/preload"]

# The tree is changed in place and becomes a disk in the same step, so nothing secret is ever in a layer but the last one,
# which is the disk itself.
FROM tools AS disk
RUN --mount=type=bind,from=packages,target=/rootfs,rw --mount=type=bind,source=.,target=/os-image \
    --mount=type=bind,from=customise,target=/customise \
    --mount=type=bind,from=layout,target=/layout --mount=type=tmpfs,target=/secrets --mount=type=secret,id=card-secrets \
    /os-image/assemble.sh

FROM scratch AS image
COPY --from=disk /out/ /
