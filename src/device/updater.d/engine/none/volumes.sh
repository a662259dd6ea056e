# shellcheck shell=sh
# Volumes without an engine: folders, outside every tree and every release.

VOLUMES_DIR=$STATE_DIR/volumes

# volume_folder NAME: fails where there is no such volume.
volume_folder() {
  [ -d "$VOLUMES_DIR/$1/data" ] && printf '%s' "$VOLUMES_DIR/$1/data"
}

# volume_services NAME: every service sees every volume.
volume_services() {
  plan_services "$(link_id current)"
}

# make_volumes ID
make_volumes() {
  plan_lines "$1" data | tr '\t' '\n' | sed 1d | while IFS= read -r volume; do
    mkdir -p "$VOLUMES_DIR/$(project_of "$1")_$volume/data" || exit 1
  done
}

# Files belong to the one user, whoever they belonged to elsewhere.
tar_owner() {
  printf -- '--no-same-owner'
}

set_owner() {
  :
}
