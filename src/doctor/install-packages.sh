#!/bin/sh
# Installs Debian packages as root. Usage: install-packages.sh [apt-get options] PACKAGE...
# The caller runs it in a session of its own: Ctrl-C must not reach dpkg between unpacking and configuring.
set -eu
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
mark='# written by prose-ship doctor'

# Where systemd does not run, maintainer scripts would start daemons that nobody looks after (an engine, sshd).
if [ ! -d /run/systemd/system ] && { [ ! -e "$policy" ] || grep -qxF "$mark" "$policy"; }; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
  chmod 0755 "$policy"
fi
dpkg --configure -a
apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
