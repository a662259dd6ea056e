#!/bin/sh
# Lays out the disk: /rootfs becomes this site's system (setup.sh), then an ext4 file system; /layout/parameters says where
# everything lies. Reproducible: times, owners, order, UUIDs and seeds are all given. Results in /out.
# shellcheck disable=SC2154 # parameters (src/bake/assemble/layout-folder.ts) sets what is not assigned here
set -eu
# shellcheck source=/dev/null
. /layout/parameters
export SOURCE_DATE_EPOCH E2FSPROGS_FAKE_TIME="$SOURCE_DATE_EPOCH" TZ=UTC LC_ALL=C.UTF-8 MTOOLS_SKIP_CHECK=1

step() { echo "prose-ship-step $(date +%s) $*"; }

step setup
[ ! -s /run/secrets/card-secrets ] || base64 -d /run/secrets/card-secrets | tar -x -C /secrets
PROSE_SHIP_SECRETS_DIR=/secrets sh /customise/setup.sh /rootfs

step boot
mkdir -p /making /out
disk=/making/disk.img
fat=$disk@@$boot_start_bytes
if [ -s /layout/head.img.zst ]; then
  # Everything before the root partition, as the base has it.
  zstd -q -d --sparse /layout/head.img.zst -o "$disk"
  truncate -s "$disk_bytes" "$disk"
else
  truncate -s "$disk_bytes" "$disk"
  mkfs.vfat -F 32 -S 512 -i "$boot_id" -n bootfs --offset "$((boot_start_bytes / 512))" "$disk" "$((boot_bytes / 1024))" >/dev/null
fi
find /rootfs/boot/firmware -mindepth 1 -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
(cd /rootfs/boot/firmware && find . -mindepth 1 -maxdepth 1 | sort) | while IFS= read -r name; do
  mcopy -s -m -o -i "$fat" "/rootfs/boot/firmware/$name" ::/
done
if [ -n "$cmdline_append" ]; then
  mcopy -n -i "$fat" ::/cmdline.txt /making/cmdline.txt
  line=$(tr -d '\n' </making/cmdline.txt)
  for word in $cmdline_append; do
    case " $line " in *" $word "*) ;; *) line="$line $word" ;; esac
  done
  printf '%s\n' "$line" >/making/cmdline.txt
  touch -d "@$SOURCE_DATE_EPOCH" /making/cmdline.txt
  mcopy -m -o -i "$fat" /making/cmdline.txt ::/cmdline.txt
fi
dd if="$disk" of=/making/boot.img bs=1M skip="$boot_start_bytes" count="$boot_bytes" iflag=skip_bytes,count_bytes conv=sparse status=none
fsck.fat -n /making/boot.img >/making/fsck.log || { cat /making/fsck.log; exit 1; }
rm /making/boot.img

step root
# The engine's data folder comes as a tar of its own: an overlay cannot hold what is in it (whiteouts are devices 0:0).
archive() {
  # -b 1 ends with exactly two empty blocks, which the next archive must not see.
  tar -C /rootfs -b 1 --sort=name --format=posix --numeric-owner --xattrs --xattrs-include='*' --one-file-system \
    --mtime="@$SOURCE_DATE_EPOCH" --clamp-mtime --pax-option='delete=atime,delete=ctime,exthdr.name=%d/PaxHeaders/%f' \
    --exclude='./boot/firmware/*' ${store:+--exclude=./var/lib/docker} -cf - . | head -c -1024
  if [ -n "$store" ]; then zstd -q -d -c /layout/store.tar.zst; else head -c 1024 /dev/zero; fi
}
store=
[ ! -s /layout/store.tar.zst ] || store=yes
# shellcheck disable=SC2086 # options
archive | mke2fs -q -F -t ext4 -b 4096 -I "$root_inode_bytes" -N "$root_inodes" -m "$root_reserved_percent" -U "$root_uuid" -L "$root_label" \
  -O "none,$root_features" -J size="$root_journal_mib" -E "hash_seed=$root_hash_seed,root_owner=0:0,lazy_itable_init=1,nodiscard,offset=$root_start_bytes" \
  -d - "$disk" "$((root_bytes / 1024))k"
python3 /os-image/attributes.py /rootfs /making/values >/making/attributes
[ ! -s /making/attributes ] || debugfs -w -f /making/attributes "$disk?offset=$root_start_bytes" >/making/debugfs.log 2>&1
e2fsck -fn "$disk?offset=$root_start_bytes" >/making/e2fsck.log 2>&1 || { cat /making/e2fsck.log; exit 1; }

step table
for file in /layout/table/*; do
  dd if="$file" of="$disk" bs=4k seek="${file##*/}" oflag=seek_bytes conv=notrunc status=none
done

step compress
for kind in $outputs; do
  case $kind in
    zst) zstd -q -T0 -1 "$disk" -o /out/disk.img.zst ;;
    xz) xz -T0 "-$xz_level" --block-size=16MiB --check=crc32 -c "$disk" >/out/disk.img.xz ;;
  esac
done
step "done"
