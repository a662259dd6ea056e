# shellcheck shell=sh
# The data volumes of the release that runs: where they are, and who uses them.

# data_volumes ID: the plan's name, the engine's name and the folder of each volume.
data_volumes() {
  plan_lines "$1" data | tr '\t' '\n' | sed 1d >"$scratch/names"
  while IFS= read -r volume; do
    full_name=$(project_of "$1")_$volume
    { mountpoint=$(volume_folder "$full_name") && [ -d "$mountpoint" ]; } ||
      { log_error E_VOLUME "volume $full_name of release $1 is not here" >&2; return 1; }
    printf '%s\t%s\t%s\n' "$volume" "$full_name" "$mountpoint"
  done <"$scratch/names"
}

# volume_users: the services whose containers mount a volume of $scratch/data.
volume_users() {
  cut -f 2 "$scratch/data" | while IFS= read -r full_name; do
    volume_services "$full_name"
  done | sort -u
}

installed_release() {
  engine_answers || return 1
  current=$(link_id current)
  [ "$current" != - ] || { log_error E_NOTHING_DEPLOYED 'no release runs here'; return 1; }
  data_volumes "$current" >"$scratch/data" || { error_code=E_VOLUME; return 1; }
}
