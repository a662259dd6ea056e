# What boots an image in QEMU whose own kernel cannot: Debian's kernel of the target architecture, an initramfs, and a drive
# with the kernel's modules. Nothing of the target architecture is run. Context: os-image/initramfs.
FROM --platform=$BUILDPLATFORM debian:trixie-slim AS tools
RUN --mount=type=secret,id=apt-sources,target=/etc/apt/sources.list.d/debian.sources,mode=0444 <<'EOF'
set -eu
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends cpio e2fsprogs kmod xz-utils zstd
EOF

FROM --platform=$BUILDPLATFORM tools AS kit
ARG TARGETARCH
RUN --mount=type=secret,id=apt-sources,target=/etc/apt/sources.list.d/debian.sources,mode=0444 <<'EOF'
set -eu
case $TARGETARCH in
  arm64) architecture=arm64 flavour=arm64 ;;
  arm) architecture=armhf flavour=armmp ;;
  *) echo "no boot kit for $TARGETARCH" >&2 && exit 1 ;;
esac
dpkg --add-architecture "$architecture"
apt-get update -q
image=$(apt-cache depends "linux-image-$flavour:$architecture" | sed -n 's/^ *Depends: \(linux-image-[0-9][^ ]*\)/\1/p' | head -n 1)
mkdir /packages && cd /packages
apt-get -o APT::Sandbox::User=root download -q "${image%:*}:$architecture" "busybox-static:$architecture"
for package in *.deb; do dpkg-deb -x "$package" /rootfs; done
EOF
COPY init make.sh /initramfs/
ARG SOURCE_DATE_EPOCH
RUN <<'EOF'
set -eu
[ -e /rootfs/lib ] || ln -s usr/lib /rootfs/lib
version=$(ls /rootfs/lib/modules)
# The packages hold no index of the modules: configuring the kernel would make it, and an initramfs, slowly.
depmod -b /rootfs "$version"
sh /initramfs/make.sh /rootfs "$version" /kit/initrd
cp /rootfs/boot/vmlinuz-* /kit/vmlinuz
size=$(du -sk --apparent-size /rootfs/lib/modules | cut -f 1)
truncate -s "$((size + size / 4 + 16384))K" /kit/modules.img
mke2fs -q -t ext4 -O ^has_journal -m 0 -L prose-modules -d /rootfs/lib/modules /kit/modules.img
printf '%s\n' "$version" >/kit/version
EOF

FROM scratch
COPY --from=kit /kit/ /
