#!/bin/bash -e

# The same program that `prose-ship bake` runs makes the tree this site's card; nothing of it runs in the chroot.
customisation="$(cd "$(dirname "${BASH_SOURCE[0]}")/../customisation" && pwd)"
"${customisation}/setup.sh" "${ROOTFS_DIR}"

# shellcheck source=/dev/null
. "${customisation}/settings"
cmdline="${ROOTFS_DIR}/boot/firmware/cmdline.txt"
if [ -n "${cmdline_append}" ] && [ -f "${cmdline}" ] && ! grep -qF -e "${cmdline_append}" "${cmdline}"; then
	sed -i "1s|\$| ${cmdline_append}|" "${cmdline}"
fi
