# shellcheck shell=sh
# What can be known of host files before anything is stopped.

# check_host_files ID
check_host_files() {
  find_host_changes "$1"
  while IFS=$TAB read -r host_path _; do
    check_host_path "$host_path" || return 1
  done <"$scratch/host-wanted"
  cut -f 1 "$scratch/host-write" | cat - "$scratch/host-remove" >"$scratch/host-checked"
  while IFS= read -r host_path; do
    check_host_folder "$host_path" || return 1
  done <"$scratch/host-checked"
  check_host_actions "$1"
}

# Through a link the same file could be written under two names, and below it might be anything.
check_host_path() {
  case $1/ in
    "$STATE_DIR"/* | "$SETTINGS_DIR"/* | "${UPDATER%/*}"/* | /proc/* | /sys/* | /dev/* | \
      /etc/passwd/ | /etc/shadow/ | /etc/group/ | /etc/gshadow/ | /etc/passwd-/ | /etc/shadow-/ | /etc/group-/ | /etc/gshadow-/ | \
      /etc/sudoers/ | /etc/fstab/ | /etc/machine-id/)
      log_error E_HOST_FILE_PATH "a release may not write $1 on the host: it belongs to the system, or to the updater itself"
      return 1
      ;;
  esac
  host_part='' host_rest=${1#/}/
  while [ -n "$host_rest" ]; do
    host_part=$host_part/${host_rest%%/*} host_rest=${host_rest#*/}
    if [ -L "$host_part" ]; then
      log_error E_HOST_FILE_PATH "host file $1: $host_part is a symbolic link to $(readlink "$host_part"); remove it, or let the recipe name the place itself"
      return 1
    elif [ ! -e "$host_part" ]; then
      return 0
    elif [ -n "$host_rest" ] && [ ! -d "$host_part" ]; then
      log_error E_HOST_FILE_PATH "host file $1: $host_part is no folder"
      return 1
    elif [ -z "$host_rest" ] && [ ! -f "$host_part" ]; then
      log_error E_HOST_FILE_PATH "host file $1: a folder, or something else that is no file, stands there"
      return 1
    fi
  done
}

# check_host_folder PATH: the folder of a file that changes, or the one in which it is to be made, can be written.
check_host_folder() {
  host_folder=${1%/*}
  until [ -z "$host_folder" ] || [ -d "$host_folder" ]; do host_folder=${host_folder%/*}; done
  host_trial=$host_folder/.prose-ship-write-test
  # Asked by writing: one that was made read-only by an error still calls itself writable.
  if written=$(touch "$host_trial" 2>&1); then rm -f "$host_trial"; return 0; fi
  case $written in
    *'Read-only file system'*) log_error E_READ_ONLY "host file $1: ${host_folder:-/} is read-only; nothing was touched" ;;
    *) log_error E_HOST_FILE_PATH "host file $1: ${host_folder:-/} cannot be written: $(one_line "$written")" ;;
  esac
}

# Of the actions that will have to follow: a plan names all of its recipe, also of files that this release does not want. A
# program that a host file of the same release brings is not there yet.
check_host_actions() {
  { cat "$scratch/host-touched"; sed -n "s/^due$TAB//p" "$HOST_DUE" 2>/dev/null; } >"$scratch/host-due"
  { plan_lines "$1" action-check; plan_lines "$1" action-apply; } |
    awk -F'\t' -v due="$scratch/host-due" 'BEGIN { while ((getline line < due) > 0) wanted[line] = 1 } $1 in wanted' >"$scratch/host-commands"
  while IFS=$TAB read -r host_action host_program _; do
    if has_host_program "$host_program" || cut -f 1 "$scratch/host-wanted" | grep -qxF -e "$host_program"; then continue; fi
    log_error E_HOST_FILE_ACTION "action $host_action of release $1 needs $host_program, which is not on this host: install what it belongs to"
    return 1
  done <"$scratch/host-commands"
}

# An SSH session's search path may lack the administrator's programs.
host_search_path=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# Asked of a shell that has none of our functions.
# shellcheck disable=SC2016 # that shell's own argument
has_host_program() {
  case $1 in */*) [ -f "$1" ] && [ -x "$1" ]; return ;; esac
  PATH=$host_search_path sh -c 'command -v "$1"' sh "$1" >/dev/null 2>&1
}
