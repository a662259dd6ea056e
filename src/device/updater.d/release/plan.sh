# shellcheck shell=sh
# The plan of a release for this device: plans/PLATFORM.plan, one directive a line, fields separated by TAB.

is_release_id() {
  case $1 in
    '' | [!0-9A-Za-z]* | *[!0-9A-Za-z._+-]*) return 1 ;;
  esac
}

release_dir() {
  printf '%s/releases/%s' "$STATE_DIR" "$1"
}

plan_file() {
  plan_platform=
  { read -r plan_platform <"$STATE_DIR/releases/$1/platform"; } 2>/dev/null
  printf '%s/releases/%s/plans/%s.plan' "$STATE_DIR" "$1" "$plan_platform"
}

# plan_lines ID DIRECTIVE: the fields behind the directive, one line each.
plan_lines() {
  awk -F'\t' -v directive="$2" '$1 == directive { sub(/^[^\t]*\t/, ""); print }' "$(plan_file "$1")"
}

# plan_value ID DIRECTIVE FIELD: one field of the first such line; empty where there is none.
plan_value() {
  awk -F'\t' -v directive="$2" -v field="$3" '$1 == directive { print $(field + 1); exit }' "$(plan_file "$1")"
}

plan_services() {
  awk -F'\t' '$1 == "service" { print $2 }' "$(plan_file "$1")"
}

project_of() {
  plan_value "$1" name 1
}

reversed() {
  awk '{ line[NR] = $0 } END { for (i = NR; i > 0; i--) print line[i] }'
}

# The platforms whose containers this device runs. A 64-bit kernel under a 32-bit user land runs 32-bit ones, so
# Debian's architecture counts before the kernel's. /etc/prose-ship/platforms (one a line) overrules both.
device_platforms() {
  if [ -f "$SETTINGS_DIR/platforms" ]; then
    sed -e 's/#.*//' -e 's/[[:space:]]//g' -e 's#/#-#g' -e '/^$/d' "$SETTINGS_DIR/platforms"
    return
  fi
  case "$(uname -m) $(dpkg --print-architecture 2>/dev/null)" in
    *' arm64') echo linux-arm64 ;;
    'armv6l '*) echo linux-arm-v6 ;;
    *' armhf') echo linux-arm-v7 ;;
    *' amd64') echo linux-amd64 ;;
    'aarch64 ') echo linux-arm64 ;;
    'armv7l ' | 'armv8l ') echo linux-arm-v7 ;;
    'x86_64 ') echo linux-amd64 ;;
  esac
}

# Names from a plan become paths and command lines; only what a release of ours can hold is let through.
check_plan() {
  plan=$(plan_file "$1")
  [ -f "$plan" ] || { log_error E_WRONG_PLATFORM "release $1 holds no plan for $(cat "$(release_dir "$1")/platform")"; return 1; }
  wrong=$(awk -F'\t' -v id="$1" '
    function bad() { print "line " NR ": " $0; exit }
    $1 == "format" { if ($2 != "1") bad(); format = 1 }
    $1 == "id" { if ($2 != id) bad(); ids = 1 }
    $1 == "name" { if ($2 !~ /^[a-z0-9][a-z0-9_-]*$/) bad(); names = 1 }
    $1 == "image" { if (NF != 5 || $2 !~ /^[a-z0-9][a-z0-9._-]*$/ || $3 !~ /^[a-z0-9][^ ]*:[A-Za-z0-9._-]+$/ || $5 !~ /^sha256:[0-9a-f,:sha]*$/) bad() }
    $1 == "file" { if (NF != 6 || $2 !~ /^[0-9a-f]+$/ || $3 !~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/ || $4 !~ /^[0-7]+$/ || $5 !~ /^[0-9]+$/ || $6 !~ /^[0-9]+$/) bad() }
    $1 == "secret" && $2 !~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/ { bad() }
    $1 == "service" { if ($2 !~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/) bad(); services = 1 }
    $1 == "oneshot" && (NF != 2 || $2 !~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/) { bad() }
    $1 == "sample" && (NF != 5 || $3 !~ /^[A-Za-z0-9_.+@\/-]+$/ || $3 ~ /(^|\/)\.?\.?(\/|$)/ || $4 !~ /^[0-9]+$/ || $5 !~ /^[0-9a-f]+$/ || length($5) != 64) { bad() }
    $1 == "probe" && $3 !~ /^(tcp|http|xmpp|tls|command)$/ { bad() }
    $1 == "probe" && $3 == "http" && NF > 5 && (NF != 8 || $6 != "json" || $7 == "") { bad() }
    $1 == "probe" && $3 == "tls" && (NF != 9 || $5 !~ /^[0-9]+$/ || $6 !~ /^(none|xmpp|smtp)$/ || $8 !~ /^[0-9]+$/ || $9 !~ /^(any|trusted)$/) { bad() }
    $1 == "gate" && ($2 !~ /^[0-9]+$/ || $3 !~ /^[0-9]+$/) { bad() }
    $1 == "data" { for (i = 2; i <= NF; i++) if ($i !~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/) bad() }
    $1 == "data-name" && (NF != 3 || $2 !~ /^[a-z0-9][a-z0-9_-]*$/ || $3 !~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/) { bad() }
    $1 == "data-rename" && (NF < 3 || $2 !~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/) { bad() }
    $1 == "recipe" && ($2 !~ /^[a-z0-9][a-z0-9-]*$/ || $3 !~ /^[0-9][0-9A-Za-z.-]*$/) { bad() }
    $1 == "order" && ($2 !~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/ || $3 != "start-first" || $4 !~ /^[0-9]+$/) { bad() }
    $1 == "maintenance" { if (NF != 4 || $2 !~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/ || $3 !~ /^[0-9a-f]+$/ || $4 !~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/) bad() }
    $1 == "restart-after" { for (i = 2; i <= NF; i++) if ($i !~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/) bad() }
    $1 == "upgrade-from" { for (i = 2; i <= NF; i++) if ($i !~ /^(<|>|<=|>=)?[0-9][0-9A-Za-z.-]*$/) bad() }
    $1 == "engine" && $2 != "none" { bad() }
    $1 == "process" && (NF != 5 || $2 !~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/ || $3 !~ /^[0-9a-f]+$/ || $4 !~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/ || $5 !~ /^[0-9]+$/) { bad() }
    $1 == "process-port" && (NF != 3 || $3 !~ /^[0-9]+$/) { bad() }
    $1 == "process-variable" && (NF != 4 || $3 !~ /^[A-Za-z_][A-Za-z0-9_]*$/) { bad() }
    $1 == "requires" && ($2 !~ /^[a-z]+$/ || $3 !~ /^[0-9.]+$/) { bad() }
    END { if (!(format && ids && names && services)) print "format, id, name or service is missing" }
  ' "$plan" | head -n 1)
  [ -z "$wrong" ] || log_error E_PLAN "the plan of release $1 is not one that updater $version reads: $wrong"
}

check_platform() {
  platform=$(cat "$(release_dir "$1")/platform" 2>/dev/null)
  # shellcheck disable=SC2086
  case $platform in
    '' | *[!a-z0-9-]*) log_error E_WRONG_PLATFORM "release $1 does not say for which platform it was sent"; return 1 ;;
  esac
  device_platforms | grep -qxF -e "$platform" ||
    log_error E_WRONG_PLATFORM "release $1 was sent for $platform, but this device runs $(device_platforms | tr '\n' ' ')($(uname -m))"
}
