# shellcheck shell=sh
# The names under which data is kept (the domain of the accounts, say). A release with other ones would find none of its
# data, so it is refused, or renames the data, where whoever asked for the rollout said so.

# data_names ID: key and name, a line each. The plan of an older release tells none; its release.json has the domain.
data_names() {
  if [ -n "$(plan_lines "$1" data-name)" ]; then
    plan_lines "$1" data-name
  else
    sed -n "s/^  \"domain\": \"\([^\"]*\)\".*/domain$TAB\1/p" "$(release_dir "$1")/release.json"
  fi
}

# changed_names FROM TO: key, name in FROM, name in TO; nothing where neither plan has such names. A key that one of them
# lacks is no change: what is switched off keeps its data.
changed_names() {
  names_told "$1" "$2" || return 0
  data_names "$1" >"$scratch/names"
  changed_from "$scratch/names" "$2"
}

# changed_from FILE TO: the same, where FILE tells the names from before.
changed_from() {
  common_names "$1" "$2" | awk -F'\t' '$2 != $3'
}

# Whether one of the two plans tells names.
names_told() {
  [ -n "$(plan_lines "$1" data-name)$(plan_lines "$2" data-name)" ]
}

# common_names FILE TO: key, name in FILE, name in TO.
common_names() {
  data_names "$2" | awk -F'\t' -v from="$1" '
    BEGIN { while ((getline line < from) > 0) { split(line, field, "\t"); name[field[1]] = field[2] } }
    $1 in name { print $1 "\t" name[$1] "\t" $2 }'
}

# check_names ID FROM
check_names() {
  changed_names "$2" "$1" >"$scratch/renamed"
  if [ ! -s "$scratch/renamed" ]; then j_rename=no && return 0; fi
  wanted="release $1 keeps its data under other names: $(awk -F'\t' '{ printf "%s%s -> %s", separator, $2, $3; separator = ", " }' "$scratch/renamed")"
  if [ -z "$(plan_lines "$1" data-rename)" ]; then
    log_error E_RENAME_IMPOSSIBLE "$wanted; its recipe cannot rename it"
  elif [ -z "$(plan_lines "$2" data-name)" ]; then
    log_error E_RENAME_IMPOSSIBLE "$wanted; the plan of release $2 does not tell all names that it uses: first update to one that does, with today's names"
  elif [ "$j_rename" != yes ]; then
    log_error E_DOMAIN_CHANGED "$wanted; only 'rollout $1 rename' renames it"
  fi
}

# rename_data: the command of the new release's recipe, in a container of its own beside none that runs, gets OLD=NEW for
# each name that both releases have. Data was copied before. Can be repeated after an interruption.
rename_data() {
  end_rename
  # What an earlier attempt has done is undone first.
  { [ "$j_resumes" = 0 ] || restore_snapshot "$j_id"; } || return 1
  data_names "$j_from" >"$scratch/names"
  rename_pairs=$(common_names "$scratch/names" "$j_id" | awk -F'\t' '{ print $2 "=" $3 }')
  log_info "renaming the data: $(printf '%s' "$rename_pairs" | paste -s -d ' ' -)"
  saved_ifs=$IFS
  IFS="$TAB
"
  set -f
  # shellcheck disable=SC2046,SC2086
  set -- $(plan_lines "$j_id" data-rename | head -n 1) $rename_pairs
  set +f
  IFS=$saved_ifs
  compose "$j_id" run --rm --no-deps -T --name "$rename_container" "$@" >"$scratch/rename.out" 2>"$scratch/rename" 8>&- 9>&- &
  rename_run=$!
  rename_fault renaming
  while kill -0 "$rename_run" 2>/dev/null; do
    heartbeat
    [ -z "$interrupted" ] || end_rename
    sleep 0.5
  done
  wait "$rename_run" || { log_error E_RENAME_FAILED "the data cannot be renamed: $(tail_of "$scratch/rename")"; return 1; }
  log_lines <"$scratch/rename.out"
  sync
  rename_fault renamed
}

# Test hook: PROSE_SHIP_FAULT=renaming or renamed kills the updater there.
rename_fault() {
  [ "${PROSE_SHIP_FAULT:-}" != "$1" ] || kill -KILL $$
}

# Its container outlives an updater that is killed.
end_rename() {
  rename_container=$(project_of "$j_id")-rename-data
  remove_container "$rename_container" || :
}
