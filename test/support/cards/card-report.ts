import type { BootedDevice } from '../../../src/bake/boot/device.ts';

/** One line a fact: KEY TAB VALUE; what has several lines has as many. */
const script = String.raw`
fact() { printf '%s\n' "$2" | sed "s/^/$1	/"; }
fact hostname "$(hostname)"
fact timezone "$(cat /etc/timezone) $(readlink /etc/localtime) $(date +%Z)"
fact user "$(getent passwd 1000 | cut -d : -f 1,3,4,6)"
fact service-user "$(getent passwd 1001 | cut -d : -f 1,3,4,7)"
fact password "$(awk -F : '$2 !~ /^[*!]/ { print $1 }' /etc/shadow)"
fact machine-id "$(cat /etc/machine-id)"
fact host-key "$(cut -d ' ' -f 1,2 /etc/ssh/ssh_host_*_key.pub)"
fact private-key "$(stat -c %a:%u:%g /etc/ssh/ssh_host_*_key | sort -u)"
fact sshd "$(sshd -T | grep -E '^(passwordauthentication|kbdinteractiveauthentication|permitrootlogin|permitemptypasswords) ')"
disk=/dev/$(basename "$(readlink -f "/sys/dev/block/$(mountpoint -d /)/..")")
root=/dev/$(basename "$(readlink -f "/sys/dev/block/$(mountpoint -d /)")")
fact disk-bytes "$(blockdev --getsize64 "$disk")"
fact root-end "$(( ($(cat /sys/class/block/$(basename "$root")/start) + $(cat /sys/class/block/$(basename "$root")/size)) * 512 ))"
fact root-bytes "$(blockdev --getsize64 "$root")"
fact ext4-bytes "$(dumpe2fs -h "$root" 2>/dev/null | awk -F : '/^Block (count|size)/ { gsub(/ /, "", $2); size = size ? size * $2 : $2 } END { printf "%.0f", size }')"
fact ext4-state "$(dumpe2fs -h "$root" 2>/dev/null | sed -n 's/^Filesystem state: *//p')"
fact firewall "$(nft list table inet prose_ship)"
fact wifi-key "$(cd /etc/NetworkManager/system-connections && stat -c '%a:%u:%g %n' *)"
fact system "$(systemctl is-system-running --wait)"
fact failed-unit "$(systemctl --failed --no-legend --plain)"
fact updater-unit "$(systemctl show -p Result,ActiveState --value prose-ship.service | tr '\n' ' ')"
fact updater-log "$(cat /var/lib/prose-ship/log/boot-*)"
fact container "$(docker ps --format '{{.Names}} {{.State}}')"
fact boot-folder "$(ls /boot/firmware)"
`;

export type CardReport = (fact: string) => readonly string[];

/** What a booted card says of itself. */
export async function reportOfCard(device: BootedDevice): Promise<CardReport> {
  const { stdout } = await device.exec(['sh', '-c', script], { sudo: true, timeoutMs: 180_000 });
  const lines = stdout.split('\n').map((line) => line.split('\t'));
  return (fact) => lines.filter(([key]) => key === fact).map(([, ...value]) => value.join('\t')).filter((value) => value !== '');
}
