# shellcheck shell=sh
# The page that the proxy in front shows while a service is stopped. The file is the sign and the page in one, so that the
# proxy needs no reload: nginx asks for it at each request (docs/recipes/web-services.md).

MAINTENANCE_DIR=$STATE_DIR/maintenance

# show_maintenance ID SERVICE: a page that cannot be shown is no reason to give up an update.
show_maintenance() {
  page=$(plan_lines "$1" maintenance | awk -F'\t' -v service="$2" '$1 == service { print $2 "/" $3; exit }')
  [ -n "$page" ] || return 0
  {
    mkdir -p "$MAINTENANCE_DIR" && chmod 755 "$MAINTENANCE_DIR" && cp "$FILES_DIR/$page" "$MAINTENANCE_DIR/.$2.new" &&
      chmod 644 "$MAINTENANCE_DIR/.$2.new" && mv -f "$MAINTENANCE_DIR/.$2.new" "$MAINTENANCE_DIR/$2"
  } || log_warning "the maintenance page of $2 cannot be shown"
}

# has_page ID SERVICE
has_page() {
  plan_lines "$1" maintenance | cut -f 1 | grep -qxF -e "$2"
}

# end_maintenance ID: where services came up without a gate, visitors wait for the probes; not for ever, for that the page is not.
end_maintenance() {
  [ -n "$(ls "$MAINTENANCE_DIR" 2>/dev/null)" ] || return 0
  set_deadline "$1"
  observe "$1" && remember_restarts
  until { containers_well "$1" && probes_pass "$1"; } || [ -n "$interrupted" ] || time_is_up; do sleep 1; done
  hide_maintenance
}

hide_maintenance() {
  rm -f "$MAINTENANCE_DIR"/* "$MAINTENANCE_DIR"/.*.new
}
