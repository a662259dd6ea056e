# shellcheck shell=sh
# shellcheck disable=SC2154 # variables of the other parts
# Secrets: out of a folder, else from the terminal. They pass through memory and files of root's alone, and stand in no
# command line.

collect_secrets() {
  mkdir -m 0700 "$work/secrets"
  lacking=
  awk -F'\t' '$1 == "secret" { print $2, $3 }' "$upload/plans/$platform.plan" >"$work/secrets.list"
  # Standard input is the terminal's.
  while read -r name origin <&3; do
    if take_secret "${secrets_folder:-$here/secrets}/$name" || take_secret "$here/secrets/$name"; then continue; fi
    if [ -f "$STATE_DIR/secrets/$name" ] || [ "$origin" = generate ] || ask_secret; then continue; fi
    lacking="$lacking $name"
  done 3<"$work/secrets.list"
  [ -z "$lacking" ] ||
    fail 3 E_MISSING_SECRET "the release needs these secrets, which this host does not have:$lacking" \
      "Put each into a file of its name in a folder that only you can read, then: sh '$here/install.sh' --secrets FOLDER"
}

# take_secret FILE: without the line break that editors leave at its end.
take_secret() {
  [ -s "$1" ] || return 1
  value=$(sed 's/\r$//' "$1")
  keep_secret
}

ask_secret() {
  [ -t 0 ] || return 1
  printf 'Secret %s (it is not shown): ' "$name" >&2
  stty -echo
  IFS= read -r value
  stty echo
  echo >&2
  keep_secret
}

keep_secret() {
  [ -n "$value" ] || return 1
  (umask 077 && printf '%s' "$value" >"$work/secrets/$name")
  value=
}

lay_secrets() {
  given=0
  for file in "$work"/secrets/*; do
    [ -f "$file" ] || continue
    provision lay directories 0700 root "$STATE_DIR/secrets" &&
      # 0444 in a folder that only root enters: containers run as users of their own and must read what is mounted.
      provision lay put "$STATE_DIR/secrets/${file##*/}" 0444 0:0 <"$file" >"$work/laid" ||
      fail 1 E_FILES "$STATE_DIR/secrets/${file##*/} cannot be written" 'Look whether the disk is full or read-only, then run this again.'
    given=$((given + 1))
  done
  [ "$given" -eq 0 ] || { begin 'Secrets'; end "$given given"; }
}
