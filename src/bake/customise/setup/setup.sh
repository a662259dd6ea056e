#!/bin/sh
# Makes the root file system ROOT this site's card, in place. Runs as root on the build machine, whatever architecture ROOT
# has: nothing of ROOT is ever run. Both `prose-ship bake` and the pi-gen stage use it.
#   setup.sh ROOT           checks, then changes ROOT; a second run changes nothing
#   setup.sh --check ROOT   only checks; secrets too where PROSE_SHIP_SECRETS_DIR is set
# PROSE_SHIP_SECRETS_DIR    folder with wifi-passphrase and secrets/NAME, where the card has any
# SOURCE_DATE_EPOCH         what is newer gets this time, in seconds
# A problem is a line `prose-ship-error<TAB>CODE<TAB>TEXT` on standard error; exit status 3: nothing was changed, 1: failed.
set -eu
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
only_check=no
if [ "${1:-}" = --check ]; then only_check=yes; shift; fi
if [ $# != 1 ] || [ ! -d "$1/etc" ]; then echo 'usage: setup.sh [--check] ROOT' >&2; exit 2; fi
ROOT=$(cd "$1" && pwd)
if [ "$ROOT" = / ]; then echo 'setup.sh: ROOT is this very system' >&2; exit 2; fi

export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-1735689600}"
problems=0

# problem CODE TEXT: all are told before anything is touched.
problem() {
  problems=$((problems + 1))
  printf 'prose-ship-error\t%s\t%s\n' "$1" "$2" >&2
}

# shellcheck source=/dev/null
. "$here/settings"
# shellcheck source=setup.d/check.sh
. "$here/setup.d/check.sh"
# shellcheck source=setup.d/users.sh
. "$here/setup.d/users.sh"
# shellcheck source=setup.d/system.sh
. "$here/setup.d/system.sh"
# shellcheck source=setup.d/units.sh
. "$here/setup.d/units.sh"
# shellcheck source=setup.d/tidy.sh
. "$here/setup.d/tidy.sh"

check_root
if [ "$problems" != 0 ]; then exit 3; fi
if [ "$only_check" = yes ]; then exit 0; fi

set_up_users
lay_files
set_up_system
set_up_secrets
set_up_units
make_unique_again
make_reproducible
