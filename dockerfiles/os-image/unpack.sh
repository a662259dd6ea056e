# shellcheck shell=sh
# Run by the busybox of /native inside the target's own root file system: no program of that system is started but
# the packages' preinst scripts.
set -eu
PATH=/native/opt/native/dpkg:$PATH
export PATH
# No service is to be started while an image is made (Debian policy-rc.d); setup.sh removes it.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
/native/usr/bin/busybox chmod 755 /usr/sbin/policy-rc.d
[ -e "$(/native/usr/bin/busybox ls -d /debs/*.deb | /native/usr/bin/busybox head -n 1)" ] || exit 0
# Dependencies are met at the end of `configure`, by the target's own dpkg.
/native/opt/native/dpkg/dpkg --force-unsafe-io --force-architecture --force-depends --force-confdef --force-confold --unpack /debs/*.deb
