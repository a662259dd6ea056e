# shellcheck shell=sh
# What a release asks the host besides containers and files: each check ends with 0, or says what is not well.

host_check_seconds=30

# host_health ID: prints `NAME TAB passed`, or `NAME TAB failed TAB what`, for each thing that is not well.
host_health() {
  plan_lines "$1" host-check >"$scratch/host-checks"
  while IFS= read -r host_check; do
    host_check_name=${host_check%%"$TAB"*}
    if run_host_check "${host_check#*"$TAB"}"; then
      printf '%s\tpassed\n' "$host_check_name"
    else
      # What a timed-out program's shell adds tells nobody anything.
      case $host_status in 124 | 137 | 143) echo "did not end in $host_check_seconds s" >"$scratch/host-output" ;; esac
      grep . "$scratch/host-output" >"$scratch/host-lines" || echo "ended with exit status $host_status" >"$scratch/host-lines"
      tail -n 20 "$scratch/host-lines" | cut -c 1-400 | tr '\t' ' ' | sed "s/^/$host_check_name${TAB}failed$TAB/"
    fi
  done <"$scratch/host-checks"
}

# run_host_check WORDS: with tabs between them.
run_host_check() {
  saved_ifs=$IFS
  IFS=$TAB
  set -f
  # shellcheck disable=SC2086
  set -- $1
  set +f
  IFS=$saved_ifs
  # shellcheck disable=SC2016 # that shell's own arguments
  PATH=$host_search_path timeout -k 5 "$host_check_seconds" sh -c 'cd / && exec 7>&- 8>&- 9>&- && exec "$@"' sh "$@" </dev/null >"$scratch/host-output" 2>&1
  host_status=$?
  return "$host_status"
}

# warn_of_host ID: for the end of a rollout. Its release has passed the gate; what this finds is for people to look after.
warn_of_host() {
  host_health "$1" | while IFS=$TAB read -r host_check_name host_state host_text; do
    [ "$host_state" = passed ] || log_warning "check $host_check_name of the host: $host_text"
  done
}
