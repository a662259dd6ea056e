# shellcheck shell=sh
# Host files: files of a release that programs of the host itself read, outside containers (docs/internals/device.md, Host files).
# Here: what the plan says of them.

# Path, sha256, what was there when it was listed (`-` once all is done), action (or `-`) and rights of each file of ours.
HOST_LIST=$STATE_DIR/host-files
# foreign/PATH: what stood there before. changed/NAME: copies of what somebody changed by hand. folders: those that we made.
HOST_DIR=$STATE_DIR/host-files.d
# Actions that have to follow, with their commands: written before the first file changes, gone when they have followed.
HOST_DUE=$HOST_DIR/due
# Actions of the release that was laid down last: when its files go, its successor may not know them.
HOST_ACTIONS=$HOST_DIR/actions

# check_host_plan ID
check_host_plan() {
  wrong=$(awk -F'\t' '
    function bad() { print "line " NR ": " $0; failed = 1; exit }
    $1 == "file" { file[$2, $3] = 1 }
    $1 == "action" { if (NF != 3 || $2 !~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/ || $3 !~ /^[1-9][0-9]*$/ || $2 in action) bad(); action[$2] = 1 }
    $1 == "action-check" || $1 == "action-apply" { if (NF < 3 || !($2 in action)) bad(); for (i = 3; i <= NF; i++) if ($i == "") bad() }
    $1 == "host-check" { if (NF < 3) bad(); for (i = 2; i <= NF; i++) if ($i == "") bad() }
    $1 == "hostfile" {
      if (NF != 5 || $4 !~ /^(\/[A-Za-z0-9_+@%:,=~.-]+)+$/ || $4 ~ /\/\.\.?(\/|$)/ || $4 in path) bad()
      path[$4] = 1; line[++count] = $0
    }
    END {
      for (i = 1; i <= count && !failed; i++) {
        split(line[i], field, "\t")
        if (!((field[2], field[3]) in file) || (field[5] != "-" && !(field[5] in action))) { print line[i]; exit }
      }
    }' "$(plan_file "$1")" | head -n 1)
  [ -z "$wrong" ] || log_error E_PLAN "the plan of release $1 is not one that updater $version reads: $wrong"
}

# wanted_host_files ID: into $scratch/host-wanted: path, sha256, action, rights, file. Of `-`: none.
wanted_host_files() {
  : >"$scratch/host-wanted"
  [ "$1" != - ] || return 0
  awk -F'\t' '
    $1 == "file" { mode = $4; sub(/^0+/, "", mode); rights[$2, $3] = (mode == "" ? 0 : mode) ":" $5 ":" $6 }
    $1 == "hostfile" { line[++count] = $0 }
    END {
      for (i = 1; i <= count; i++) {
        split(line[i], field, "\t")
        print field[4] "\t" field[5] "\t" rights[field[2], field[3]] "\t" field[2] "/" field[3]
      }
    }' "$(plan_file "$1")" >"$scratch/host-planned"
  while IFS=$TAB read -r host_path host_action host_rights host_source; do
    host_source=$(release_dir "$1")/files/$host_source
    host_wanted=$(host_sum "$host_source")
    printf '%s\t%s\t%s\t%s\t%s\n' "$host_path" "$host_wanted" "$host_action" "$host_rights" "$host_source" >>"$scratch/host-wanted"
  done <"$scratch/host-planned"
}

# host_sum PATH: what is there: a sha256, `none`, `symlink` or `other`.
host_sum() {
  if [ -L "$1" ]; then
    printf symlink
  elif [ -f "$1" ]; then
    sha256sum <"$1" | cut -c 1-64
  elif [ -e "$1" ]; then
    printf other
  else
    printf none
  fi
}

host_rights() {
  stat -c %a:%u:%g "$1" 2>/dev/null
}

# owned_host_file PATH: sets owned_sum, owned_old, owned_action, owned_rights; empty for a path that is not ours.
owned_host_file() {
  owned_line=$(awk -F'\t' -v path="$1" '$1 == path { print $2 "\t" $3 "\t" $4 "\t" $5 }' "$HOST_LIST" 2>/dev/null)
  IFS=$TAB read -r owned_sum owned_old owned_action owned_rights <<OWNED
$owned_line
OWNED
}

# find_host_changes ID: what is to be done, in $scratch: host-write (lines of host-wanted), host-remove (paths), host-touched
# (actions of files that come, change or go).
find_host_changes() {
  wanted_host_files "$1"
  : >"$scratch/host-write"
  : >"$scratch/host-touched"
  while IFS=$TAB read -r host_path host_wanted host_action host_rights host_source; do
    owned_host_file "$host_path"
    if is_as_wanted; then
      [ "$owned_sum $owned_action $owned_rights" != "$host_wanted $host_action $host_rights" ] || continue
    elif [ "$host_action" != - ]; then
      echo "$host_action" >>"$scratch/host-touched"
    fi
    printf '%s\t%s\t%s\t%s\t%s\n' "$host_path" "$host_wanted" "$host_action" "$host_rights" "$host_source" >>"$scratch/host-write"
  done <"$scratch/host-wanted"
  : >"$scratch/host-remove"
  [ -f "$HOST_LIST" ] || return 0
  awk -F'\t' -v wanted="$scratch/host-wanted" -v touched="$scratch/host-touched" '
    BEGIN { while ((getline line < wanted) > 0) { split(line, field, "\t"); stays[field[1]] = 1 } }
    !($1 in stays) { print $1; if ($4 != "-") print $4 >>touched }' "$HOST_LIST" >"$scratch/host-remove"
}

# Of the line that is being read.
is_as_wanted() {
  [ "$(host_sum "$host_path")" = "$host_wanted" ] && [ "$(host_rights "$host_path")" = "$host_rights" ]
}
