# shellcheck shell=sh
# Signatures: once /etc/prose-ship/allowed_signers exists, only releases that one of its signers signed are taken.
# SHA256SUMS.sig is an SSH signature of SHA256SUMS, and with it of every file of the release.

SIGNERS_FILE=$SETTINGS_DIR/allowed_signers
signature_namespace=prose-ship-release

# The file's existence decides: one that is empty, or cannot be read, lets nobody sign.
needs_signature() {
  [ -e "$SIGNERS_FILE" ] || [ -L "$SIGNERS_FILE" ]
}

# check_signature DIRECTORY [any-time]: with any-time the dates of the signers' keys are not asked.
check_signature() {
  needs_signature || return 0
  checked=${1##*/}
  checked=${checked#.new-}
  command -v ssh-keygen >/dev/null || { log_error E_SIGNATURE "ssh-keygen, which checks signatures, is not installed here: install openssh-client"; return 1; }
  if [ ! -f "$1/SHA256SUMS.sig" ]; then
    log_error E_SIGNATURE "release $checked is not signed, but this device takes signed releases only ($SIGNERS_FILE)"
    return 1
  fi
  times=$(signing_times "${2:-}")
  for time in $times; do
    signed_at "$1" "$time" || continue
    if [ "$time" != now ] && [ -z "${2:-}" ] && has_dates; then
      log_warning "no time server has set this device's clock, so the dates in $SIGNERS_FILE were not looked at"
    fi
    log_info "release $checked is signed by $signer"
    return 0
  done
  log_error E_SIGNATURE "release $checked is not signed by anybody whom $SIGNERS_FILE allows: $(tail_of "$scratch/signature" 2)"
}

# At which times a signature may be good. A signature holds no time of its own, so `now` is asked; but a board without
# clock that has not yet reached a time server believes to live years ago, or years ahead, and must neither refuse its
# first update nor its first boot. Then every time at which somebody's key is good counts: the beginning, and each valid-after.
signing_times() {
  if [ -z "$1" ]; then
    echo now
    ! clock_is_set || return 0
  fi
  echo 19700102
  sed -n 's/.*[vV][aA][lL][iI][dD]-[aA][fF][tT][eE][rR]="\{0,1\}\([0-9]\{8,14\}Z\{0,1\}\).*/\1/p' "$SIGNERS_FILE" 2>/dev/null
}

has_dates() {
  grep -qi -e '^[^#].*valid-\(after\|before\)=' "$SIGNERS_FILE"
}

# signed_at DIRECTORY TIME: leaves the name in `signer`, and what ssh-keygen said in scratch.
signed_at() {
  signed_directory=$1
  set -- -s "$1/SHA256SUMS.sig" -f "$SIGNERS_FILE" "$2"
  if [ "$5" = now ]; then set -- "$1" "$2" "$3" "$4"; else set -- "$1" "$2" "$3" "$4" -O "verify-time=$5"; fi
  ssh-keygen -Y find-principals "$@" >"$scratch/principals" 2>"$scratch/signature" || return 1
  while IFS= read -r signer; do
    if ssh-keygen -Y verify "$@" -n "$signature_namespace" -I "$signer" <"$signed_directory/SHA256SUMS" >"$scratch/verified" 2>"$scratch/signature"; then
      signer="$signer$(sed -n 's/.* with \(.*\)$/ with \1/p' "$scratch/verified" | head -n 1)"
      return 0
    fi
  done <"$scratch/principals"
  return 1
}
