# shellcheck shell=sh
# Secrets that nobody has to choose: `secret NAME generate` in the plan. Made once, then they are like any other.

# generate_secret NAME: 32 random bytes as base64url; only where there is none yet.
generate_secret() {
  generated=$STATE_DIR/secrets/$1
  {
    head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' >"$generated.new" &&
      [ "$(wc -c <"$generated.new")" -eq 43 ] &&
      # Containers run as users of their own and must read what is mounted; the folder is root's.
      chmod 444 "$generated.new" && sync "$generated.new" && mv -f "$generated.new" "$generated" && sync "$STATE_DIR/secrets"
  } || return 1
  log_info "secret $1 was made here"
}
