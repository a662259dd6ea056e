#!/bin/sh
# raspios.sh ROOT SOURCES: takes from a Debian tree what Raspberry Pi OS Lite has not, and lays down what its own
# packages would.
set -eu
root=$1 sources=$2
disk_id=7f3a91c2

put() {
  mkdir -p "$(dirname "$root/$2")"
  cat >"$root/$2"
  chmod "$1" "$root/$2"
}

# No engine, no kernel of Debian.
[ -e "$root/dev/null" ] || mknod -m 0666 "$root/dev/null" c 1 3
rm -f "$root/usr/sbin/policy-rc.d" "$root"/etc/kernel/postrm.d/* "$root"/etc/kernel/prerm.d/*
remove=$(sed -n 's/^Package: //p' "$root/var/lib/dpkg/status" |
  grep -Ex 'docker.*|containerd|runc|tini|linux-image-.*|raspi-firmware|firmware-.*|initramfs-tools.*|unattended-upgrades|nftables|dracut-install')
# shellcheck disable=SC2086 # a list
INITRD=No DEBIAN_FRONTEND=noninteractive dpkg --root="$root" --force-unsafe-io --force-depends --purge $remove
rm -rf "${root:?}"/boot/* "$root"/var/lib/docker "$root"/usr/lib/modules/*
: >"$root/etc/machine-id"

rm -f "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
put 0644 etc/apt/sources.list.d/debian.sources <"$sources"
echo raspberrypi | put 0644 etc/hostname
printf '127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n' | put 0644 etc/hosts
printf 'Raspberry Pi reference 2026-01-01\nGenerated using pi-gen, https://github.com/RPi-Distro/pi-gen, stage2\n' | put 0644 etc/rpi-issue
put 0644 etc/fstab <<FSTAB
proc            /proc           proc    defaults          0       0
PARTUUID=$disk_id-01  /boot/firmware  vfat    defaults          0       2
PARTUUID=$disk_id-02  /               ext4    defaults,noatime  0       1
FSTAB
mkdir -p "$root/boot/firmware"

# A first user whom the wizard renames; no password opens it.
for group in netdev gpio i2c spi; do chroot "$root" groupadd --system --force "$group"; done
chroot "$root" useradd --create-home --shell /bin/bash --groups adm,sudo,video,netdev,gpio,i2c,spi --comment ',,,' pi
printf 'pi ALL=(ALL) NOPASSWD: ALL\n' | put 0440 etc/sudoers.d/010_pi-nopasswd
printf 'Banner /usr/share/userconf-pi/sshd_banner\n' | put 0644 etc/ssh/sshd_config.d/rename_user.conf
put 0644 usr/lib/systemd/system/userconfig.service <<'UNIT'
[Unit]
Description=User configuration dialog
Before=getty@tty1.service
[Service]
Type=oneshot
ExecStart=/usr/bin/sleep infinity
[Install]
WantedBy=multi-user.target
UNIT
put 0755 usr/lib/raspberrypi-sys-mods/firstboot <<'FIRSTBOOT'
#!/bin/sh
exec /usr/lib/systemd/systemd
FIRSTBOOT
chroot "$root" systemctl enable userconfig.service
chroot "$root" systemctl disable ssh.service
chroot "$root" systemctl disable getty@tty1.service
rm -f "$root"/etc/ssh/ssh_host_*
printf 1 | put 0644 var/lib/systemd/rfkill/platform-3f300000.mmcnr:wlan

# Everything that a copy of a tree may lose.
attributes=$root/opt/attributes
mkdir -p "$attributes/folder"
printf 'content\n' >"$attributes/file"
ln "$attributes/file" "$attributes/folder/second name"
ln -s ../file "$attributes/folder/link"
mkfifo "$attributes/fifo"
mknod "$attributes/character" c 1 3
mknod "$attributes/block" b 7 99
chown 1234:4321 "$attributes/file"
setfattr -n user.comment -v 'Grüße' "$attributes/file"
setfacl -m u:1000:rw,g:27:r "$attributes/file"
setfacl -d -m u:1000:rwx "$attributes/folder"
cp "$root/usr/bin/true" "$attributes/capable"
setcap cap_net_raw,cap_net_bind_service=ep "$attributes/capable"
install -m 6755 "$root/usr/bin/true" "$attributes/setuid"
truncate -s 5M "$attributes/sparse"
printf end >>"$attributes/sparse"
touch -d '2003-04-05 06:07:08.123456789 UTC' "$attributes/file"
