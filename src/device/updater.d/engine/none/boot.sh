# shellcheck shell=sh
# How services come up after a restart of a host on which nobody is root: by the user's systemd, else by cron.

# enable-boot: prints what brings the services up, `systemd`, `crontab` or `none`.
verb_enable_boot() {
  if has_user_systemd; then
    unit_dir=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user
    mkdir -p "$unit_dir" && boot_unit >"$unit_dir/prose-ship.service" && systemctl --user daemon-reload && systemctl --user --quiet enable prose-ship.service &&
      key_value boot systemd && return
  fi
  boot_line="@reboot $UPDATER boot >/dev/null 2>&1"
  if command -v crontab >/dev/null; then
    crontab -l 2>/dev/null | grep -qxF -e "$boot_line" && key_value boot crontab && return
    { crontab -l 2>/dev/null | grep -vF -e "$UPDATER boot"; printf '%s\n' "$boot_line"; } | crontab - 2>/dev/null && key_value boot crontab && return
  fi
  key_value boot none
}

boot_unit() {
  cat <<UNIT
[Unit]
Description=Services of prose-ship

[Service]
Type=oneshot
ExecStart=$UPDATER boot
RemainAfterExit=yes

[Install]
WantedBy=default.target
UNIT
}
