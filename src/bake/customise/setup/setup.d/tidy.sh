# shellcheck shell=sh
# What must differ between two cards of one image, and what must not differ between two images of one site.

make_unique_again() {
  # Empty: systemd fills it at boot. Missing would also undo which units are enabled (machine-id(5), First Boot Semantics).
  rm -f "$ROOT/etc/machine-id"
  : >"$ROOT/etc/machine-id"
  chmod 0444 "$ROOT/etc/machine-id"
  if [ -e "$ROOT/var/lib/dbus/machine-id" ]; then ln -sfn /etc/machine-id "$ROOT/var/lib/dbus/machine-id"; fi
  rm -rf "$ROOT"/etc/ssh/ssh_host_*_key "$ROOT"/etc/ssh/ssh_host_*_key.pub \
    "$ROOT/var/lib/systemd/random-seed" "$ROOT/var/lib/systemd/credential.secret" "$ROOT"/var/lib/urandom/random-seed \
    "$ROOT"/var/lib/dhcp/* "$ROOT"/var/lib/dhcpcd/* \
    "$ROOT/var/lib/NetworkManager/secret_key" "$ROOT/var/lib/NetworkManager/timestamps" "$ROOT/var/lib/NetworkManager/seen-bssids" \
    "$ROOT"/var/lib/NetworkManager/*.lease "$ROOT"/root/.bash_history "$ROOT/var/lib/prose-ship/first-boot.done"
}

# Lists and caches are made again; logs tell of the making, not of the device.
make_reproducible() {
  rm -rf "$ROOT"/var/lib/apt/lists/* "$ROOT"/var/cache/apt/archives/*.deb "$ROOT"/var/cache/apt/*.bin
  rm -f "$ROOT/etc/passwd-" "$ROOT/etc/group-" "$ROOT/etc/shadow-" "$ROOT/etc/gshadow-" "$ROOT/etc/subuid-" "$ROOT/etc/subgid-" \
    "$ROOT/etc/.pwd.lock" "$ROOT/var/cache/ldconfig/aux-cache" \
    "$ROOT"/var/cache/debconf/*-old "$ROOT"/var/lib/dpkg/*-old "$ROOT"/var/lib/dpkg/lock* "$ROOT"/var/lib/apt/lists/lock
  # The package notes when it was installed, and the device starts its clock from it.
  if [ -f "$ROOT/etc/fake-hwclock.data" ]; then date -u -d "@$SOURCE_DATE_EPOCH" '+%Y-%m-%d %H:%M:%S' >"$ROOT/etc/fake-hwclock.data"; fi
  if [ -d "$ROOT/var/log" ]; then find "$ROOT/var/log" -type f -delete; fi
  keep_caches
  find "$ROOT" -xdev -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}

# What the packages made of /usr when they were configured (linker cache, hardware database, message catalogue, users) is not
# made again at the first boot: these files are as old as /usr (systemd.unit(5), ConditionNeedsUpdate=).
keep_caches() {
  for directory in etc var; do
    : >"$ROOT/$directory/.updated"
    touch -r "$ROOT/usr" "$ROOT/$directory/.updated"
  done
}
