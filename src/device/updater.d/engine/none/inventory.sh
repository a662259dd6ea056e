# shellcheck shell=sh
# What the laptop must know about a host without an engine.

ask_engine() {
  :
}

report_engine() {
  key_value engine none
  key_value store none
  key_value compose -
}

report_images() {
  key_value engine-free "$(free_bytes "$STATE_DIR")"
  for record in "$IMAGES_DIR"/*; do
    [ -f "$record" ] || continue
    case $record in *.new) continue ;; esac
    awk -F'\t' '{ value[$1] = $2 } END { printf "chain\t%s\t%s\n", value["layers"], value["reference"] }' "$record"
  done
}
