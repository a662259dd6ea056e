# shellcheck shell=sh
# shellcheck disable=SC2154 # variables of `settings`
# The login user (1000) and the service user (1001). No password opens either, nor root.

user_of() { awk -F : -v id="$1" '$3 == id { print $1; exit }' "$ROOT/etc/passwd"; }
uid_of() { awk -F : -v name="$1" '$1 == name { print $3; exit }' "$ROOT/etc/passwd"; }
group_of() { awk -F : -v id="$1" '$3 == id { print $1; exit }' "$ROOT/etc/group"; }
gid_of() { awk -F : -v name="$1" '$1 == name { print $3; exit }' "$ROOT/etc/group"; }

check_users() {
  # shellcheck disable=SC2016 # Markdown, no command
  check_identity "$user" "$login_id" E_USER_TAKEN 'choose another `os.user`'
  check_identity "$service_user" "$service_id" E_UID_TAKEN 'the base has a user of its own there'
  owner=$(user_of "$service_id")
  if [ -n "$owner" ] && [ "$owner" != "$service_user" ]; then problem E_UID_TAKEN "the base's user '$owner' has the number $service_id, which the services' user '$service_user' needs"; fi
  owner=$(group_of "$service_id")
  if [ -n "$owner" ] && [ "$owner" != "$service_user" ]; then problem E_UID_TAKEN "the base's group '$owner' has the number $service_id, which the services' group '$service_user' needs"; fi
}

# check_identity NAME ID CODE REMEDY: a name that the base uses for something else.
check_identity() {
  taken=$(uid_of "$1")
  if [ -n "$taken" ] && [ "$taken" != "$2" ]; then problem "$3" "the user '$1' exists in the base with the number $taken: $4"; return; fi
  taken=$(gid_of "$1")
  if [ -n "$taken" ] && [ "$taken" != "$2" ] && [ "$taken" != "$(primary_group "$2")" ]; then problem "$3" "the group '$1' exists in the base with the number $taken: $4"; fi
}

primary_group() { awk -F : -v id="$1" '$3 == id { print $4; exit }' "$ROOT/etc/passwd"; }

set_up_users() {
  set_up_login
  if [ -z "$(uid_of "$service_user")" ]; then
    [ -n "$(gid_of "$service_user")" ] || groupadd --prefix "$ROOT" --gid "$service_id" "$service_user"
    useradd --prefix "$ROOT" --uid "$service_id" --gid "$service_id" --no-create-home --home-dir /nonexistent \
      --shell /usr/sbin/nologin --comment 'services of prose-ship' "$service_user"
  fi
  lock_passwords
}

# Raspberry Pi OS brings its first user, `pi`, who gets the site's name; other bases bring none.
set_up_login() {
  first=$(user_of "$login_id")
  if [ -z "$first" ]; then
    [ -n "$(group_of "$login_id")" ] || groupadd --prefix "$ROOT" --gid "$login_id" "$user"
    useradd --prefix "$ROOT" --uid "$login_id" --gid "$login_id" --no-create-home --home-dir "/home/$user" --shell /bin/bash "$user"
  elif [ "$first" != "$user" ]; then
    [ "$(group_of "$login_id")" != "$first" ] || groupmod --prefix "$ROOT" --new-name "$user" "$first"
    usermod --prefix "$ROOT" --login "$user" --home "/home/$user" "$first"
    rename_leftovers "$first"
  fi
  make_home
  for group in adm dialout cdrom sudo audio video plugdev games users input render netdev gpio i2c spi; do
    [ -z "$(gid_of "$group")" ] || usermod --prefix "$ROOT" --append --groups "$group" "$user"
  done
}

# What knows the first user by name on Raspberry Pi OS.
rename_leftovers() {
  if [ -d "$ROOT/home/$1" ] && [ ! -e "$ROOT/home/$user" ]; then mv "$ROOT/home/$1" "$ROOT/home/$user"; fi
  for ids in "$ROOT/etc/subuid" "$ROOT/etc/subgid"; do
    [ ! -f "$ids" ] || sed -i "s/^$1:/$user:/" "$ids"
  done
  rm -f "$ROOT"/etc/sudoers.d/010_"$1"-nopasswd
  autologin=$ROOT/etc/systemd/system/getty@tty1.service.d/autologin.conf
  [ ! -f "$autologin" ] || sed -i "s/--autologin $1 /--autologin $user /" "$autologin"
}

make_home() {
  home=$ROOT/home/$user
  if [ ! -d "$home" ]; then
    cp -R "$ROOT/etc/skel" "$home" 2>/dev/null || mkdir -p "$home"
    chown -R "$login_id:$(primary_group "$login_id")" "$home"
    chmod 0700 "$home"
  fi
}

# `*` is no password's hash, and unlike `!` it does not keep keys out where sshd runs without PAM. Days of change would
# differ from run to run.
lock_passwords() {
  awk -F : -v OFS=: -v user="$user" -v service="$service_user" -v day="$((SOURCE_DATE_EPOCH / 86400))" '
    $1 == user || $1 == service || $1 == "root" { $2 = "*" }
    { $3 = day; print }
  ' "$ROOT/etc/shadow" >"$ROOT/etc/shadow.new"
  cat "$ROOT/etc/shadow.new" >"$ROOT/etc/shadow"
  rm -f "$ROOT/etc/shadow.new"
}
