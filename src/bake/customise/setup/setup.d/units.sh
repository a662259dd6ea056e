# shellcheck shell=sh
# shellcheck disable=SC2154 # variables of `settings`
# Enabling as `systemctl --root` does it, by the [Install] section: builders such as pi-gen's have no systemd.

set_up_units() {
  for unit in $enabled_units; do
    enable_unit "$unit"
  done
}

# Our own units are laid down later.
check_units() {
  for unit in $enabled_units; do
    case $unit in prose-ship*) continue ;; esac
    unit_file "$unit" >/dev/null || problem E_PACKAGE_MISSING "the base has no $unit: the package that brings it was not installed"
  done
}

unit_file() {
  for directory in etc/systemd/system usr/lib/systemd/system lib/systemd/system; do
    if [ -f "$ROOT/$directory/$1" ]; then echo "/$directory/$1"; return; fi
  done
  return 1
}

# install_field FILE KEY: its values, one a line.
install_field() {
  awk -F = -v key="$2" '/^\[/ { inside = $0 == "[Install]" } inside && $1 == key { gsub(/ +/, "\n", $2); print $2 }' "$ROOT$1"
}

# enable_unit NAME [INSTANCE]
enable_unit() {
  path=$(unit_file "$1") || return 1
  name=$1
  if [ -n "${2:-}" ]; then name=${1%%@*}@$2.${1##*.}; fi
  # What masks it is in the way.
  if [ "$(readlink "$ROOT/etc/systemd/system/$name")" = /dev/null ]; then rm -f "$ROOT/etc/systemd/system/$name"; fi
  for kind in WantedBy=wants RequiredBy=requires; do
    for target in $(install_field "$path" "${kind%=*}"); do
      mkdir -p "$ROOT/etc/systemd/system/$target.${kind#*=}"
      ln -sfn "$path" "$ROOT/etc/systemd/system/$target.${kind#*=}/$name"
    done
  done
  for alias in $(install_field "$path" Alias); do ln -sfn "$path" "$ROOT/etc/systemd/system/$alias"; done
  # In a shell of its own: the function's variables are the script's.
  for also in $(install_field "$path" Also); do (enable_unit "$also") || true; done
}

mask_unit() {
  rm -f "$ROOT"/etc/systemd/system/*.wants/"$1"
  ln -sfn /dev/null "$ROOT/etc/systemd/system/$1"
}
