#!/bin/sh
# Makes an initramfs for a root file system of any architecture without running anything of it.
#
#     make.sh ROOTFS KERNELVERSION OUTPUT
#
# ROOTFS holds the kernel's modules (usr/lib/modules/KERNELVERSION) and a static busybox (package busybox-static); with
# usr/sbin/e2fsck.static or sbin/e2fsck.static (e2fsck-static) the root is checked before it is mounted. Needs kmod, cpio, xz,
# zstd. The same tree gives the same bytes: sorted, owner root, times of SOURCE_DATE_EPOCH.
set -eu

if [ $# -ne 3 ]; then
  echo 'usage: make.sh ROOTFS KERNELVERSION OUTPUT' >&2
  exit 2
fi
rootfs=${1%/} version=$2 output=$3
here=$(dirname "$0")
export LC_ALL=C

die() {
  echo "make.sh: $*" >&2
  exit 1
}

# What finds and mounts a root file system: in QEMU, on SD cards, USB and NVMe disks of the Raspberry Pi models. A kernel has some of these
# built in and lacks others. crc32c: ext4 asks the running kernel for it, which then would look for modprobe's aliases.
wanted='virtio_mmio virtio_pci virtio_blk virtio_scsi virtio_net virtio_rng
crc32c_generic crc32c_arm64 crc32_arm_ce libcrc32c ext4 overlay
bcm2835_dma fixed gpio_regulator reset_raspberrypi clk_raspberrypi raspberrypi_power
mmc_block sdhci_iproc sdhci_brcmstb sdhci_pltfm bcm2835 bcm2835_sdhost sdhci_pci
pcie_brcmstb phy_generic dwc2 xhci_pci xhci_pci_renesas xhci_plat_hcd ehci_platform ohci_platform usb_storage uas sd_mod nvme'

modules=
for directory in "$rootfs/usr/lib/modules/$version" "$rootfs/lib/modules/$version"; do
  if [ -d "$directory/kernel" ]; then modules=$directory && break; fi
done
[ -n "$modules" ] || die "$rootfs has no modules of the kernel $version"
busybox=
for file in "$rootfs/usr/bin/busybox" "$rootfs/bin/busybox"; do
  if [ -f "$file" ]; then busybox=$file && break; fi
done
[ -n "$busybox" ] || die "$rootfs has no busybox (package busybox-static)"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
copies=$tree/lib/modules/$version
mkdir -p "$tree/bin" "$tree/etc" "$tree/dev" "$tree/proc" "$tree/sys" "$tree/run" "$tree/root" "$copies"
ln -s bin "$tree/sbin"
install -m 0755 "$here/init" "$tree/init"
install -m 0755 "$busybox" "$tree/bin/busybox"
for applet in basename cat cut dd dirname echo findfs grep ls mkdir modprobe mount od printf readlink sed sh sleep switch_root tr umount; do
  ln -s busybox "$tree/bin/$applet"
done
for file in "$rootfs/usr/sbin/e2fsck.static" "$rootfs/sbin/e2fsck.static"; do
  if [ -f "$file" ]; then install -m 0755 "$file" "$tree/bin/e2fsck" && break; fi
done

# modules.dep is there once the kernel package was configured; a package that was only unpacked has none.
index=$modules
if [ ! -s "$modules/modules.dep" ]; then
  index=$work/index/lib/modules/$version
  mkdir -p "$index"
  ln -s "$(readlink -f "$modules")/kernel" "$index/kernel"
  cp "$modules/modules.builtin" "$modules/modules.builtin.modinfo" "$modules/modules.order" "$index/"
  depmod -b "$work/index" "$version"
fi
cp "$modules/modules.builtin" "$modules/modules.builtin.modinfo" "$modules/modules.order" "$copies/"

# The files of the wanted modules and of all that they need (modules.dep names dependencies of dependencies, too).
for name in $wanted; do echo "$name"; done >"$work/wanted"
awk -v wanted="$work/wanted" '
  BEGIN { while ((getline name < wanted) > 0) want[name] = 1 }
  {
    file = $1; sub(/:$/, "", file)
    name = file; sub(/.*\//, "", name); sub(/\.ko.*/, "", name); gsub(/-/, "_", name)
    if (!(name in want)) next
    print file
    for (i = 2; i <= NF; i++) print $i
  }' "$index/modules.dep" | sort -u >"$work/files"
grep -q '/ext4\.ko' "$work/files" || grep -q '/ext4\.ko' "$modules/modules.builtin" || die "the kernel $version has no ext4"

# Unpacked: busybox need not know how they are compressed, and the whole archive packs better.
while read -r file; do
  copy=$copies/$file
  mkdir -p "$(dirname "$copy")"
  case $file in
    *.ko.xz) xz -dc "$modules/$file" >"${copy%.xz}" ;;
    *.ko.zst) zstd -qdc "$modules/$file" >"${copy%.zst}" ;;
    *.ko.gz) gzip -dc "$modules/$file" >"${copy%.gz}" ;;
    *) cp "$modules/$file" "$copy" ;;
  esac
done <"$work/files"
depmod -b "$tree" "$version"
find "$copies" -name '*.bin' -delete # busybox reads the text forms

# Loaded in this order, each only where the kernel has it as a module.
for name in $wanted; do
  pattern=$(echo "$name" | sed 's/_/[-_]/g')
  if grep -q "/$pattern\.ko" "$work/files"; then echo "$name"; fi
done >"$tree/etc/modules"

find "$tree" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
find "$tree" -type d -exec chmod 0755 {} +
find "$copies" -type f -exec chmod 0644 {} +
# Every Debian kernel since 5.10 unpacks zstd; where the configuration says otherwise, gzip.
configuration=$rootfs/boot/config-$version
compress='zstd -q -19 -T1'
if [ -f "$configuration" ] && ! grep -q '^CONFIG_RD_ZSTD=y' "$configuration"; then compress='gzip -9n'; fi
(cd "$tree" && find . -mindepth 1 | sort | cpio -o -H newc -R 0:0 --reproducible --quiet) | $compress >"$work/initramfs"
mkdir -p "$(dirname "$output")"
install -m 0644 "$work/initramfs" "$output.new"
mv "$output.new" "$output"
