# shellcheck shell=sh
# The host's manager of services, where it has one.

# has_unit_manager: whether runs can be units of their own, and run_as_unit UNIT OPTIONS -- COMMAND... makes one.
has_unit_manager() {
  [ -d /run/systemd/system ]
}

run_as_unit() {
  unit_name=$1
  shift
  systemd-run --quiet --collect --unit="$unit_name" --property=After=docker.service --property=OOMPolicy=continue "$@"
}
