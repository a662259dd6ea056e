# shellcheck shell=sh
# shellcheck disable=SC2154 # variables of the other parts
# What `prose-ship provision` does over SSH: engine, programs, folders, updater.

engine_start_seconds=120

install_packages() {
  if [ -z "$missing" ]; then
    skip 'Packages' 'all there'
  else
    begin "Install $missing"
    # In a session of its own: Ctrl-C must not meet dpkg in the middle of its work.
    # shellcheck disable=SC2086
    setsid -w sh "$here/install/provision/packages.sh" install $missing >"$work/apt.log" 2>&1 </dev/null ||
      fail 1 E_PACKAGES "apt could not install them: $(tail -n 6 "$work/apt.log" | one_line_of)" 'Correct what it says, then run this again: it goes on where it stopped.'
    end "$(printf '%s\n' "$planned_packages" | wc -l) packages"
  fi
  check_engine
}

check_engine() {
  begin 'Docker engine and Compose'
  setsid -w sh "$here/install/provision/engine.sh" start "$engine_start_seconds" >"$work/start.log" 2>&1 </dev/null ||
    fail 1 E_ENGINE_NOT_RUNNING "the Docker engine does not answer: $(tail -n 3 "$work/start.log" | one_line_of)" \
      'Look at `sudo systemctl status docker` and `sudo journalctl -u docker`, then run this again.'
  # shellcheck disable=SC2046
  provision engine check $(fact minimum) >"$work/engine" ||
    fail 3 E_ENGINE_TOO_OLD "the Docker engine here is of no use: $(sed -n 2p "$work/engine")" 'Install a newer one, or remove it and run this again: the folder brings one.'
  read -r engine compose <"$work/engine"
  # moby, pkg/archive: archives with zstd are read from 23.0 on.
  ! satisfies "${engine%%[!0-9.]*}" '<23.0.0' ||
    fail 3 E_ENGINE_TOO_OLD "the Docker engine $engine cannot read the images of this folder, which takes 23.0 or newer" \
      'Install a newer one, or bring the release over the network: prose-ship update speaks to older engines, too.'
  end "engine $engine, Compose $compose"
}

lay_updater() {
  begin 'Updater'
  refused='Look whether the disk is full or read-only, then run this again.'
  # shellcheck disable=SC2046
  provision lay directories 0755 root $(cat updater/folders.list) "$STATE_DIR" || fail 1 E_FILES 'folders cannot be made' "$refused"
  # Whoever may bring releases over SSH stays that.
  [ -n "${owner_id:-}" ] || owner_id=$(stat -c %u "$INCOMING_DIR" 2>/dev/null) || owner_id=${SUDO_UID:-0}
  provision lay directories 0700 "$owner_id" "$INCOMING_DIR" || fail 1 E_FILES "$INCOMING_DIR cannot be made" "$refused"
  if keeps_newer_updater; then end 'a newer one is there, and stays'; return; fi
  : >"$work/laid"
  while IFS=$TAB read -r source target mode file_owner folder <&3; do
    if [ "$folder" != - ] && [ ! -d "$folder" ]; then continue; fi
    provision lay put "$target" "$mode" "$file_owner" <"$source" >>"$work/laid" || fail 1 E_FILES "$target cannot be written" "$refused"
  done 3<updater/files.list
  # shellcheck disable=SC2046
  provision lay keep-only "${UPDATER%/*}/updater.d" $(cut -f 2 updater/files.list)
  lay_signers
  if [ -s "$work/laid" ]; then
    provision lay enable prose-ship.service >"$work/enable.log" 2>&1 || fail 1 E_UNIT "systemd does not take prose-ship.service: $(tail -n 3 "$work/enable.log" | one_line_of)" "$refused"
    end "$(wc -l <"$work/laid") files laid down"
  else
    end 'is there already'
  fi
}

# A host that was updated since, over the network, say: an older updater might not read what the newer one wrote.
keeps_newer_updater() {
  there=$("$UPDATER" version 2>/dev/null) || return 1
  [ "$there" -gt "$(sed -n 's/^version=//p' "$here/updater$UPDATER")" ] 2>/dev/null
}

# Whose releases a host takes is decided once; a stick does not change it.
lay_signers() {
  [ -f allowed_signers ] || return 0
  if [ ! -e "$SETTINGS_DIR/allowed_signers" ]; then
    provision lay put "$SETTINGS_DIR/allowed_signers" 0644 0:0 <allowed_signers >>"$work/laid"
  elif ! cmp -s allowed_signers "$SETTINGS_DIR/allowed_signers"; then
    warn "$SETTINGS_DIR/allowed_signers differs from that of this folder, and stays; replace it by hand if that is right"
  fi
}
