# shellcheck shell=sh
# The engine's volumes.

# volume_folder NAME: fails where there is no such volume.
volume_folder() {
  docker volume inspect -f '{{.Mountpoint}}' "$1" 2>/dev/null
}

# volume_services NAME: whose containers mount it.
volume_services() {
  docker ps --all --filter "volume=$1" --format '{{.Label "com.docker.compose.service"}}'
}
