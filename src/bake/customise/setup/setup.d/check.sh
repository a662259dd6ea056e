# shellcheck shell=sh
# shellcheck disable=SC2154 # variables of `settings`
# What can be known to fail, before anything is changed.

check_root() {
  check_directories
  check_architecture
  check_engine engine "$engine_minimum" docker-ce docker.io
  check_engine Compose "$compose_minimum" docker-compose-plugin docker-compose-v2 docker-compose
  check_users
  check_timezone
  check_locale
  check_secret_files
  [ -f "$ROOT/etc/ssh/sshd_config" ] || problem E_PACKAGE_MISSING 'the base has no openssh-server: nobody could log in'
  check_units
}

# A link to an absolute path would lead out of ROOT, into the build machine.
check_directories() {
  for directory in etc etc/ssh etc/systemd etc/systemd/system home usr usr/lib var var/lib var/log; do
    case $(readlink "$ROOT/$directory") in /*) problem E_BASE_LAYOUT "/$directory of the base is a link to an absolute path" ;; esac
  done
}

# Field $2 of an installed package $1, as dpkg knows it.
package_field() {
  awk -v package="$1" -v field="$2:" '
    /^Package: / { found = $2 == package; installed = 0 }
    found && /^Status: / { installed = $4 == "installed" }
    found && installed && $1 == field { print $2; exit }
  ' "$ROOT/var/lib/dpkg/status" 2>/dev/null
}

# dpkg tells a 32-bit system on a 64-bit kernel; the shell's ELF header tells what dpkg does not know.
check_architecture() {
  found=$(package_field dpkg Architecture)
  elf=$(elf_architecture "$ROOT/bin/sh")
  for one in $found $elf; do
    if [ "$one" != "$debian_architecture" ]; then
      problem E_WRONG_ARCHITECTURE "the base is for $one, the release for $debian_architecture ($platform)"
      return
    fi
  done
  if [ -z "$found$elf" ]; then problem E_WRONG_ARCHITECTURE "the base does not tell its architecture; the release is for $debian_architecture ($platform)"; fi
}

# ELF specification, e_ident[EI_CLASS] and e_machine; every machine of ours is little-endian.
elf_architecture() {
  file=$(in_root "$1")
  if [ ! -f "$file" ]; then return 0; fi
  case $(od -An -v -tx1 -N 20 "$file" | tr -d ' \n') in
    7f454c4602*b700) echo arm64 ;;
    7f454c4601*2800) echo armhf ;;
    7f454c4602*3e00) echo amd64 ;;
    7f454c46*) echo 'another architecture' | tr ' ' - ;;
  esac
}

# Where a path of ROOT leads when its links are followed inside ROOT.
in_root() {
  path=${1#"$ROOT"}
  for _ in 1 2 3 4 5 6 7 8; do
    directory=$(cd "$ROOT${path%/*}" 2>/dev/null && pwd -P) || break
    path=${directory#"$ROOT"}/${path##*/}
    [ -L "$ROOT$path" ] || break
    link=$(readlink "$ROOT$path")
    case $link in /*) path=$link ;; *) path=${path%/*}/$link ;; esac
  done
  echo "$ROOT$path"
}

# check_engine WHAT MINIMUM PACKAGE...: the first package that is installed counts.
check_engine() {
  what=$1 minimum=$2
  shift 2
  for package in "$@"; do
    version=$(package_field "$package" Version)
    [ -n "$version" ] || continue
    # Upstream's part of a Debian version: 5:27.3.1-1~debian.12 is 27.3.1.
    version=${version#*:}
    version=${version%%[!0-9.]*}
    if [ "$(printf '%s\n%s\n' "$minimum" "$version" | sort -V | head -n 1)" != "$minimum" ]; then
      problem E_ENGINE_TOO_OLD "the base's $what is $version ($package), the recipe needs $minimum or newer"
    fi
    return
  done
  problem E_ENGINE_MISSING "the base has no Docker $what (none of: $*)"
}

# The tz database of the base counts: its packages leave old names out (tzdata-legacy).
check_timezone() {
  [ -f "$(in_root "$ROOT/usr/share/zoneinfo/$timezone")" ] || problem E_BAD_TIMEZONE "the base's tzdata has no time zone '$timezone'"
}

check_locale() {
  case $locale in C.UTF-8) return ;; esac
  source=${locale%%.*}
  case $locale in *@*) source=$source@${locale##*@} ;; esac
  [ -f "$ROOT/usr/share/i18n/locales/$source" ] || problem E_BAD_LOCALE "the base has no locale '$locale' (package locales)"
}

# A bake checks its base before any secret is handed out.
check_secret_files() {
  if [ "$only_check" = yes ] && [ -z "${PROSE_SHIP_SECRETS_DIR:-}" ]; then return; fi
  [ "$wifi_network" = no ] || check_secret wifi-passphrase
  for name in $secret_names; do
    # A release's secrets may also be made on the device; only those that were announced must be there.
    check_secret "secrets/$name"
  done
}

check_secret() {
  [ -s "${PROSE_SHIP_SECRETS_DIR:-/nonexistent}/$1" ] || problem E_MISSING_SECRET "PROSE_SHIP_SECRETS_DIR has no $1"
}
