# shellcheck shell=sh
# shellcheck disable=SC2154 # variables of `settings`
# Files, names, language, secrets.

TAB=$(printf '\t')

# files.list: PATH, MODE, UID, GID, separated by tabs; a path that ends in a slash is a folder. Folders that are not listed
# belong to root.
lay_files() {
  while IFS=$TAB read -r file mode uid gid; do
    target=$ROOT/$file
    case $file in
      */) install -d -m "$mode" -o "$uid" -g "$gid" "$target" ;;
      *)
        mkdir -p "${target%/*}"
        # Never through a link that the base has there.
        rm -f "$target"
        install -m "$mode" -o "$uid" -g "$gid" "$here/files/$file" "$target"
        ;;
    esac
  done <"$here/files.list"
}

set_up_system() {
  set_up_hosts
  # So that the device gets its updates where it got its engine; a folder of the build machine is nowhere there.
  if [ "$engine_source" = yes ]; then "$here/engine-source.sh" "$ROOT" >"$ROOT/etc/apt/sources.list.d/docker.sources"; fi
  ln -sfn "/usr/share/zoneinfo/$timezone" "$ROOT/etc/localtime"
  set_up_locale
  # Made of /etc/default/keyboard again at boot.
  rm -f "$ROOT"/etc/console-setup/cached_*
  set_up_sshd
  if [ -n "$wifi_country" ]; then unblock_wifi; fi
  mask_rename_wizard
}

# The base's own lines stay, but for the name that it had.
set_up_hosts() {
  hosts=$ROOT/etc/hosts
  if [ -s "$hosts" ]; then
    grep -v '^127\.0\.1\.1[[:space:]]' "$hosts" >"$hosts.new" || true
  else
    printf '127.0.0.1\tlocalhost\n::1\t\tlocalhost ip6-localhost ip6-loopback\nff02::1\t\tip6-allnodes\nff02::2\t\tip6-allrouters\n' >"$hosts.new"
  fi
  printf '127.0.1.1\t%s\n' "$hostname" >>"$hosts.new"
  chmod 0644 "$hosts.new"
  mv -f "$hosts.new" "$hosts"
}

# localedef reads the base's sources and writes data that every little-endian machine reads.
set_up_locale() {
  [ "$locale" != C.UTF-8 ] || return 0
  source=${locale%%.*}
  case $locale in *@*) source=$source@${locale##*@} ;; esac
  generated=$ROOT/usr/lib/locale/$(printf '%s' "$locale" | sed 's/UTF-8/utf8/')
  if [ ! -d "$generated" ]; then
    mkdir -p "$ROOT/usr/lib/locale"
    I18NPATH=$ROOT/usr/share/i18n localedef --no-archive --prefix="$ROOT" -i "$source" -f UTF-8 "$locale"
  fi
  # So that an update of the package locales makes it again.
  touch "$ROOT/etc/locale.gen"
  grep -qx "$locale UTF-8" "$ROOT/etc/locale.gen" || printf '%s UTF-8\n' "$locale" >>"$ROOT/etc/locale.gen"
}

# Only a base that was changed lacks the line; ours must come first, because sshd takes the first value.
set_up_sshd() {
  config=$ROOT/etc/ssh/sshd_config
  if ! grep -qi '^[[:space:]]*Include[[:space:]]*/etc/ssh/sshd_config\.d/\*\.conf' "$config"; then
    { printf 'Include /etc/ssh/sshd_config.d/*.conf\n'; cat "$config"; } >"$config.new"
    cat "$config.new" >"$config"
    rm -f "$config.new"
  fi
}

# Raspberry Pi OS keeps the radio off until a country is known.
unblock_wifi() {
  for state in "$ROOT"/var/lib/systemd/rfkill/*:wlan; do
    [ ! -f "$state" ] || echo 0 >"$state"
  done
  if [ -f "$ROOT/var/lib/NetworkManager/NetworkManager.state" ]; then
    sed -i 's/^WirelessEnabled=false/WirelessEnabled=true/' "$ROOT/var/lib/NetworkManager/NetworkManager.state"
  fi
}

# The wizard that asks for a user at the first boot, and the banner that announces it (userconf-pi).
mask_rename_wizard() {
  if [ -f "$ROOT/usr/lib/systemd/system/userconfig.service" ] || [ -f "$ROOT/lib/systemd/system/userconfig.service" ]; then
    mask_unit userconfig.service
    enable_unit getty@.service tty1
  fi
  rm -f "$ROOT/etc/ssh/sshd_config.d/rename_user.conf"
}

# Secrets go from their folder to the card and nowhere else.
set_up_secrets() {
  if [ "$wifi_network" = yes ]; then
    connection=$ROOT/etc/NetworkManager/system-connections/prose-ship.nmconnection
    # Backslashes and leading blanks as GLib's key files want them; the section for it is the file's last.
    # By the shell's own printf: no other process gets to see it among its arguments.
    printf 'psk=%s\n' "$(head -n 1 "$PROSE_SHIP_SECRETS_DIR/wifi-passphrase" | sed -e 's/\\/\\\\/g' -e 's/^ /\\s/')" >>"$connection"
  fi
  for name in $secret_names; do
    install -d -m 0700 "$ROOT/var/lib/prose-ship/secrets"
    # 0444 in a folder that only root enters: containers run as users of their own and must read what is mounted.
    install -m 0444 "$PROSE_SHIP_SECRETS_DIR/secrets/$name" "$ROOT/var/lib/prose-ship/secrets/$name"
  done
}
