#!/bin/sh
# Makes the base `debian` a bootable Raspberry Pi system: mounts, command line, and Debian's own hook that lays firmware,
# kernel and initramfs onto the boot partition (package raspi-firmware).
set -eu
export PATH="/native/opt/native/bin:$PATH"
# A device without a keyboard must not end in the emergency shell because its card is slow.
cat >/etc/fstab <<'FSTAB'
LABEL=rootfs / ext4 defaults,noatime,errors=remount-ro 0 1
LABEL=bootfs /boot/firmware vfat defaults,noatime,umask=0077,x-systemd.device-timeout=10min 0 2
FSTAB
cat >/etc/default/raspi-firmware <<'DEFAULTS'
ROOTPART=LABEL=rootfs
CONSOLES="tty0 ttyS1,115200"
DEFAULTS
# Firmware gets its updates too.
sed -i 's/^Components: main$/Components: main non-free-firmware/' /etc/apt/sources.list.d/debian.sources
DEB_MAINT_PARAMS="configure" /etc/kernel/postinst.d/z50-raspi-firmware
cat /boot/firmware/config.txt /boot/firmware/cmdline.txt
