# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# What can be known to fail, before anything is touched.

check_host() {
  begin 'Check this host'
  choose_platform
  check_running_release
  find_missing
  [ -z "$missing" ] || plan_packages
  check_space
  if [ -z "$missing" ]; then
    end "$platform; nothing is missing"
  else
    end "$platform; $(printf '%s\n' "$planned_packages" | wc -l) packages to install"
  fi
}

choose_platform() {
  bundle_platforms=$(fact platform | cut -d ' ' -f 1)
  for platform in $(device_platforms); do
    ! printf '%s\n' "$bundle_platforms" | grep -qxF -e "$platform" || return 0
  done
  fail 3 E_WRONG_ARCHITECTURE "this host runs $(device_platforms | one_line_of) ($(uname -m)), and this folder is for $(printf '%s\n' "$bundle_platforms" | one_line_of)" \
    "Make one for it: prose-ship bundle --platform PLATFORM, with the platform in the site file."
}

one_line_of() {
  paste -s -d ' ' -
}

# A release that is older than the one that runs is nearly always the wrong stick.
check_running_release() {
  upload=$here/release/$platform
  current=$(readlink "$STATE_DIR/current" 2>/dev/null) && current=${current##*/} || current=-
  running=
  [ "$current" = - ] || running=$(awk -F'\t' '$1 == "version" { print $2; exit }' "$STATE_DIR/releases/$current/plans/$platform.plan" 2>/dev/null)
  if [ -z "$running" ] || [ "$allow_downgrade" = yes ] || ! satisfies "$version" "<$running"; then return 0; fi
  fail 3 E_DOWNGRADE "this host runs version $running, and this folder brings $version" \
    'Take the newer folder; --allow-downgrade brings the older release all the same, or see `sudo /usr/lib/prose-ship/updater rollback`.'
}

# Leaves the names of Debian packages in `missing`.
find_missing() {
  : >"$work/missing"
  # shellcheck disable=SC2046
  {
    if has_engine; then refuse_old_engine; else lack packages missing $(fact engine-package); fi
    lack engine needs
    lack packages programs $(fact program)
    [ -z "$(fact package)" ] || lack packages missing $(fact package)
  }
  missing=$(sort -u "$work/missing" | one_line_of)
}

# Whether it runs does not matter yet.
has_engine() {
  command -v dockerd >/dev/null && docker compose version >/dev/null 2>&1
}

lack() {
  provision "$@" >>"$work/missing" || fail 3 E_NO_APT 'this host has no apt, so this folder cannot install what it lacks' \
    "Install Docker Engine, Compose and these by its own means: $(fact program | sed 's/=.*//' | one_line_of) $(fact package | one_line_of)"
}

refuse_old_engine() {
  # shellcheck disable=SC2046
  provision engine check $(fact minimum) >"$work/engine"
  [ $? -ne 3 ] ||
    fail 3 E_ENGINE_TOO_OLD "the Docker engine here is of no use: $(sed -n 2p "$work/engine")" 'Install a newer one, or remove it and run this again: the folder brings one.'
}

# What apt will do is known before it does it.
plan_packages() {
  provision packages system >"$work/system"
  { read -r system_id; read -r _; read -r system_suite; read -r system_name; read -r architecture; } <"$work/system"
  if [ "$system_id" != debian ] || [ "$system_suite" != "$suite" ]; then
    fail 3 E_WRONG_RELEASE "this host runs ${system_name:-a system that is not Debian}, the packages of this folder are for $(fact system) ($suite), and it lacks $missing" \
      "$(release_remedy)"
  fi
  if [ ! -f "packages/$suite/$architecture/Packages" ]; then
    fail 3 E_WRONG_ARCHITECTURE "this folder has no packages for $architecture, and this host lacks $missing" 'Make one that has: prose-ship bundle --platform PLATFORM'
  fi
  use_repository "$architecture"
  # shellcheck disable=SC2086
  planned_packages=$(provision packages simulate $missing 2>"$work/apt.log") && [ -n "$planned_packages" ] ||
    fail 3 E_PACKAGES "apt does not install $missing: $(grep -v '^[NW]: ' "$work/apt.log" | tail -n 8 | one_line_of)" \
      'Where a package of another origin is in the way (Docker of its own repository, say), remove it, or update it by hand.'
}

release_remedy() {
  case $system_id in
    raspbian) echo 'Take the 64-bit Raspberry Pi OS, or a card that prose-ship bake made: Raspbian has packages of its own.' ;;
    debian) echo "Make one for it: prose-ship bundle --debian $system_suite" ;;
    *) echo "Install them by its own means, then run this again." ;;
  esac
}

# The release is copied, unpacked next to itself, and becomes layers: the updater asks for the latter itself, but later.
check_space() {
  package_bytes=0 release_bytes=0
  # shellcheck disable=SC2086
  [ -z "$missing" ] || package_bytes=$(installed_bytes $planned_packages)
  for component in $(needed_images); do
    size=$(cat "$upload/images/$component.size")
    release_bytes=$((release_bytes + $(stat -c %s "$upload/images/$component".tar.*) + 2 * size))
  done
  state_disk=$STATE_DIR
  [ -d "$state_disk" ] || state_disk=/var/lib
  if [ "$(stat -c %d /usr)" = "$(stat -c %d "$state_disk")" ]; then
    need "$state_disk" $((package_bytes + release_bytes))
  else
    need /usr "$package_bytes"
    need "$state_disk" "$release_bytes"
  fi
}

# Components whose images the engine does not have, a line each.
needed_images() {
  awk -F'\t' '$1 == "image" { print $2, $3, $5 }' "$upload/plans/$platform.plan" |
    while read -r component reference layers; do
      image_ready "$reference" "$layers" || echo "$component"
    done
}

need() {
  free=$(free_bytes "$1")
  [ "$2" -le "$free" ] ||
    fail 3 E_DISK_FULL "the installation needs $(($2 / 1048576 + 1)) MiB where $1 is, $((free / 1048576)) MiB are free" "Free $((($2 - free) / 1048576 + 1)) MiB there."
}
