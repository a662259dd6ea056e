# shellcheck shell=sh
# One-shot services (a migration, say): they run to their end, in their place of the start order, and run again only when
# an update changes their configuration.

is_oneshot() {
  plan_lines "$1" oneshot | grep -qxF -e "$2"
}

# finish_oneshot ID SERVICE: waits for its end, at most the gate's timeout. Other services pass at once.
finish_oneshot() {
  is_oneshot "$1" "$2" || return 0
  set_deadline "$1"
  gate_service=$2
  while :; do
    observe "$1"
    oneshot_state=$(awk -F'\t' -v service="$2" '$1 == service { print $3 "\t" $8; exit }' "$scratch/observed")
    case $oneshot_state in
      "exited${TAB}0") log_info "$2 has ended well" && return 0 ;;
      "exited$TAB"*) gate_problem="service $2 ended with exit status ${oneshot_state#*"$TAB"}" && break ;;
    esac
    if [ -n "$interrupted" ]; then log_error E_INTERRUPTED "interrupted by $interrupted while $2 ran"; return 1; fi
    if time_is_up; then gate_problem="service $2 has not ended after $timeout_seconds s" && break; fi
    sleep 0.3
  done
  gate_failed "$1"
}

# up_lasting ID OPTIONS: `up` of everything but one-shot services, because Compose starts again what has ended.
up_lasting() {
  lasting_id=$1
  shift
  if [ -n "$(plan_lines "$lasting_id" oneshot)" ]; then
    plan_lines "$lasting_id" oneshot >"$scratch/oneshots"
    # shellcheck disable=SC2046
    set -- "$@" $(plan_services "$lasting_id" | grep -vxF -f "$scratch/oneshots")
  fi
  up "$lasting_id" "$@"
}
