# shellcheck shell=sh
# Release directories: taking them from the drop zone, checking them, installing their files.

INCOMING_DIR=$STATE_DIR/incoming
FILES_DIR=$STATE_DIR/files

# Moves incoming/ID to releases/ID, if its signature is one that this device takes. A copy that is there already (an
# earlier push, a damaged card) is replaced whole; it waits under .old-ID, so that a power cut between the two renames
# loses neither.
receive_release() {
  incoming=$INCOMING_DIR/$1
  target=$(release_dir "$1")
  old=$STATE_DIR/releases/.old-$1 staged=$STATE_DIR/releases/.new-$1
  [ ! -d "$old" ] || [ -d "$target" ] || mv -T "$old" "$target"
  rm -rf "$old"
  # Left by a power cut while it was looked at: it goes back, unless it was sent once more.
  if [ -d "$staged" ] && { [ -e "$incoming" ] || ! send_back "$staged" "$1"; }; then rm -rf "$staged"; fi
  if [ ! -d "$incoming" ] || [ -L "$incoming" ]; then
    [ -d "$target" ] || { log_error E_NOT_UPLOADED "release $1 is neither in $INCOMING_DIR nor in $STATE_DIR/releases"; return 1; }
    return 0
  fi
  mv -T "$incoming" "$staged" || return 1
  # From here on the login user, who owns the drop zone, cannot change it.
  set_owner 0:0 -R "$staged" && chmod -R u+rwX,go-rwx "$staged" || return 1
  odd=$(find "$staged" ! -type f ! -type d | head -n 1)
  if [ -n "$odd" ]; then
    log_error E_CHECKSUM "the upload holds something that is neither file nor folder: ${odd#"$staged"/}"
    send_back "$staged" "$1"
    return 1
  fi
  check_signature "$staged" || { send_back "$staged" "$1"; return 1; }
  [ ! -d "$target" ] || mv -T "$target" "$old"
  mv -T "$staged" "$target" || return 1
  rm -rf "$old"
  sync "$STATE_DIR/releases"
}

# send_back DIRECTORY ID: to the drop zone, where the next upload goes on with it.
send_back() {
  [ -d "$INCOMING_DIR" ] && set_owner "$(stat -c %u:%g "$INCOMING_DIR")" -R "$1" && mv -T "$1" "$INCOMING_DIR/$2"
}

# A failed check must cost the sender only the damaged files: they go, the rest returns to the drop zone.
return_upload() {
  target=$(release_dir "$1")
  if [ "$(link_id current)" = "$1" ] || [ "$(link_id previous)" = "$1" ] || [ ! -d "$INCOMING_DIR" ]; then return 0; fi
  while IFS= read -r damaged; do rm -f "$target/$damaged"; done <"$2"
  send_back "$target" "$1"
}

# Every file against SHA256SUMS (archives of all platforms stand there too, but are not all sent) and every archive
# that was sent against UPLOAD.sha256 (a partial archive differs from the release's own).
verify_release() {
  check_kept_signature "$1" || return 1
  (cd "$(release_dir "$1")" && check_sums) || {
    if is_io_error "$scratch/unreadable"; then
      log_error E_IO_ERROR "the disk of this device does not give back release $1, so it must be replaced: $(tail_of "$scratch/unreadable")"
      return 1
    fi
    log_error E_CHECKSUM "release $1 is damaged: $(tr '\n' ' ' <"$scratch/damaged")"
    return_upload "$1" "$scratch/damaged"
    return 1
  }
  check_platform "$1" && check_plan "$1" && check_host_plan "$1" && check_engine_plan "$1"
}

# What came through the drop zone has passed already; this is for what lay here before: the release of a card, one that
# was kept. Dates are not asked, because a card may be put in years after it was made. A release that ran here
# (current, previous) was taken by the rules of its time: changing the signers must not take the way back away.
check_kept_signature() {
  needs_signature || return 0
  if [ "$(link_id current)" = "$1" ] || [ "$(link_id previous)" = "$1" ]; then return 0; fi
  check_signature "$(release_dir "$1")" any-time
}

check_sums() {
  : >"$scratch/damaged"
  : >"$scratch/unreadable"
  for needed in SHA256SUMS release.json compose.yaml platform; do
    [ -f "$needed" ] || { echo "$needed" >"$scratch/damaged"; return 1; }
  done
  awk '{ path = substr($0, 67) } path !~ /^images\//' SHA256SUMS >"$scratch/sums"
  if [ -f UPLOAD.sha256 ]; then
    # Nobody signs it, so it may vouch for archives alone; what they hold is proven against the plan.
    ! grep -qv -e '^[0-9a-f]\{64\}  images/[A-Za-z0-9][A-Za-z0-9._-]*$' UPLOAD.sha256 || { echo UPLOAD.sha256 >"$scratch/damaged"; return 1; }
    cat UPLOAD.sha256 >>"$scratch/sums"
  fi
  sha256sum --check --strict --quiet "$scratch/sums" >"$scratch/check" 2>"$scratch/unreadable" ||
    sed -n 's/: FAILED.*//p' "$scratch/check" >"$scratch/damaged"
  # A file without a checksum is as bad as one with a wrong one.
  find . -type f ! -path ./SHA256SUMS ! -path ./SHA256SUMS.sig ! -path ./UPLOAD.sha256 ! -path ./platform ! -name '*.size' | sed 's#^\./##' |
    awk -v sums="$scratch/sums" 'BEGIN { while ((getline line < sums) > 0) known[substr(line, 67)] = 1 } !($0 in known)' \
      >>"$scratch/damaged"
  [ ! -s "$scratch/damaged" ] && [ -s "$scratch/sums" ]
}

# The files that containers mount, at a path that holds their digest: two releases share what did not change.
install_files() {
  plan_lines "$1" file >"$scratch/files"
  while IFS=$TAB read -r hash name mode uid gid; do
    source=$(release_dir "$1")/files/$hash/$name
    target=$FILES_DIR/$hash/$name
    mkdir -p "$FILES_DIR/$hash" && chmod 755 "$FILES_DIR/$hash"
    # A power cut may have left an empty file behind a good name; so contents are compared each time.
    if ! cmp -s "$source" "$target" && ! { cp "$source" "$target.new" && sync "$target.new" && mv -f "$target.new" "$target"; }; then
      log_error E_FILES "$target cannot be written"
      return 1
    fi
    if ! { set_owner "$uid:$gid" "$target" && chmod "$mode" "$target"; }; then
      log_error E_FILES "$target: owner or mode cannot be set"
      return 1
    fi
  done <"$scratch/files"
}

check_secrets() {
  plan_lines "$1" secret >"$scratch/secrets"
  missing=
  while IFS=$TAB read -r name origin; do
    if [ -f "$STATE_DIR/secrets/$name" ] || { [ "$origin" = generate ] && generate_secret "$name"; }; then continue; fi
    missing="$missing $name"
  done <"$scratch/secrets"
  [ -z "$missing" ] || log_error E_MISSING_SECRET "$STATE_DIR/secrets lacks what release $1 needs:$missing"
}
