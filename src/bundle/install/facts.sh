# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# What the bundle is, and where things are on a host.

TAB=$(printf '\t')
STATE_DIR=/var/lib/prose-ship
SETTINGS_DIR=/etc/prose-ship
UPDATER=/usr/lib/prose-ship/updater
INCOMING_DIR=$STATE_DIR/incoming

# fact KEY: its values, a line each.
fact() {
  awk -F'\t' -v key="$1" '$1 == key { print $2 }' "$here/bundle.txt"
}

# provision PROGRAM VERB ARGUMENTS: what `prose-ship provision` runs over SSH.
provision() {
  program=$1
  shift
  sh "$here/install/provision/$program.sh" "$@"
}

# The updater's own knowledge of platforms, images and versions.
parts=$here/updater/usr/lib/prose-ship/updater.d
# shellcheck source=../../device/updater.d/release/plan.sh
. "$parts/release/plan.sh"
# shellcheck source=../../device/updater.d/engine/docker/socket.sh
. "$parts/engine/docker/socket.sh"
# shellcheck source=../../device/updater.d/engine/docker/images.sh
. "$parts/engine/docker/images.sh"
# shellcheck source=../../device/updater.d/images/images.sh
. "$parts/images/images.sh"
scratch=$work
# shellcheck source=../../device/updater.d/rollout/versions.sh
. "$parts/rollout/versions.sh"

site_name=$(fact name)
version=$(fact version)
release_id=$(fact release)
suite=$(fact suite)
