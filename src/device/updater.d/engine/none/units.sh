# shellcheck shell=sh
# The host's manager of services, where it has one.

# has_user_systemd: it answers, and what it runs outlives this session.
has_user_systemd() {
  [ -n "${XDG_RUNTIME_DIR:-}" ] || { XDG_RUNTIME_DIR=/run/user/$(id -u) && export XDG_RUNTIME_DIR; }
  [ -S "$XDG_RUNTIME_DIR/systemd/private" ] && systemctl --user show-environment >/dev/null 2>&1 && lingers
}

lingers() {
  [ "$(loginctl show-user "$(id -u)" --property=Linger --value 2>/dev/null)" = yes ] || loginctl enable-linger 2>/dev/null
}

has_unit_manager() {
  has_user_systemd
}

# run_as_unit UNIT OPTIONS -- COMMAND...
run_as_unit() {
  unit_name=$1
  shift
  systemd-run --user --quiet --collect --unit="$unit_name" --property=OOMPolicy=continue "$@"
}
