# shellcheck shell=sh
# How the changed services change places, and who restarts because of whom.

# with_dependents ID SERVICES: those, and every service that restarts after one of them (a restart counts, too); in start order.
with_dependents() {
  dependents_id=$1
  shift
  plan_lines "$dependents_id" restart-after >"$scratch/restart-after"
  plan_services "$dependents_id" | awk -v chosen="$*" -v rules="$scratch/restart-after" '
    BEGIN {
      count = split(chosen, word, /[ \n]+/)
      for (i = 1; i <= count; i++) replaced[word[i]] = 1
      while ((getline line < rules) > 0) rule[++known] = line
      do {
        grown = 0
        for (r = 1; r <= known; r++) {
          count = split(rule[r], field, "\t")
          if (field[1] in replaced) continue
          for (i = 2; i <= count; i++) if (field[i] in replaced) { replaced[field[1]] = 1; grown = 1 }
        }
      } while (grown)
    }
    $0 in replaced'
}

# restarts_after ID SERVICE SERVICES: whether SERVICE restarts after one of SERVICES.
restarts_after() {
  restarts_id=$1 restarts_service=$2
  shift 2
  plan_lines "$restarts_id" restart-after | awk -F'\t' -v service="$restarts_service" -v chosen=" $* " '
    $1 == service { for (i = 2; i <= NF; i++) if (index(chosen, " " $i " ")) found = 1 }
    END { exit !found }'
}

# starts_first ID SERVICE: the plan has it started beside the old one. When the format of the data changes nothing is:
# every writer must have stopped then.
starts_first() {
  plan_lines "$1" order | awk -F'\t' -v service="$2" '$1 == service && $2 == "start-first" { found = 1 } END { exit !found }' &&
    ! data_differs "$j_id" "$j_from"
}

# stop_first ID SERVICES: those of them that stop before their successors start.
stop_first() {
  stop_first_id=$1
  shift
  for stop_first_service in "$@"; do
    starts_first "$stop_first_id" "$stop_first_service" || echo "$stop_first_service"
  done
}

# stop_ahead ID SERVICES: those of them that are stopped before anything else is done. A single one whose data stays as it is,
# which has no page for its visitors and no hook that wants it stopped, is left to Compose: that makes the new container
# before it stops the old one, and so the service is away for a shorter time.
stop_ahead() {
  ahead_id=$1
  shift
  ahead=$(stop_first "$ahead_id" "$@")
  # shellcheck disable=SC2086
  set -- $ahead
  if [ $# = 1 ] && [ "$j_restore" = - ] && ! data_differs "$j_id" "$j_from" && ! has_page "$ahead_id" "$1" &&
    ! has_hooks after-stop && ! has_hooks before-start; then return 0; fi
  [ $# = 0 ] || printf '%s\n' "$@"
}
