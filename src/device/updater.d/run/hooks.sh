# shellcheck shell=sh
# Programs of the administrator's that run around a rollout: $HOOKS_DIR/PHASE.d/NAME, as run-parts takes them (docs/using/updating.md).

HOOKS_DIR=$SETTINGS_DIR/hooks
# Overruled by $HOOKS_DIR/time-limit; well below what counts as a hung run.
hook_seconds=300
most_hook_seconds=1200

# before_step STATE: hooks that may still turn a rollout round. before-stop is asked earlier, where nothing was touched.
before_step() {
  case $1 in
    started) refusable_hooks before-start ;;
    committed) refusable_hooks before-commit ;;
  esac
}

after_step() {
  case $1 in
    stopped) harmless_hooks after-stop ;;
    started) harmless_hooks after-start ;;
    committed) harmless_hooks after-commit ;;
  esac
}

refusable_hooks() {
  run_hooks "$1" || log_error E_HOOK "$hook_problem"
}

harmless_hooks() {
  run_hooks "$1" || log_warning "$hook_problem"
}

# has_hooks PHASE
has_hooks() {
  [ -n "$(ls -A "$HOOKS_DIR/$1.d" 2>/dev/null)" ]
}

# run_hooks PHASE: in the order of their names; the first one that fails is the last one.
run_hooks() {
  for hook in "$HOOKS_DIR/$1.d"/*; do
    [ -f "$hook" ] || continue
    case ${hook##*/} in
      *[!A-Za-z0-9_-]*) log_warning "$hook is no hook: names are of letters, digits, '-' and '_'"; continue ;;
    esac
    [ -x "$hook" ] || { log_warning "$hook is no hook: it is not executable"; continue; }
    run_hook "$1" "$hook" || return 1
  done
}

run_hook() {
  # Whoever may write it is root, or the updater's user, a moment later.
  if [ -n "$(find -L "$2" -prune \( ! -user "$(id -u)" -o -perm /022 \))" ]; then
    hook_problem="hook $2 belongs to another user than $(id -un), or others may write it"
    return 1
  fi
  hook_limit=$(hook_time_limit)
  hook_from=$j_from
  [ "$hook_from" != - ] || hook_from=
  log_info "hook $2"
  # What a hook leaves running must hold neither the lock nor the log.
  # shellcheck disable=SC2016 # that shell's own argument
  timeout -k 5 "$hook_limit" \
    env PROSE_SHIP_PHASE="$1" PROSE_SHIP_RELEASE="$j_id" PROSE_SHIP_FROM="$hook_from" \
    sh -c 'exec 7>&- 8>&- 9>&-; exec "$1"' sh "$2" </dev/null >"$scratch/hook" 2>&1
  hook_status=$?
  head -n 200 "$scratch/hook" | log_lines
  case $hook_status in
    0) ;;
    124 | 137) hook_problem="hook $2 did not end in $hook_limit s"; return 1 ;;
    *) hook_problem="hook $2 ended with exit status $hook_status: $(tail_of "$scratch/hook" 1)"; return 1 ;;
  esac
}

hook_time_limit() {
  limit=$(cat "$HOOKS_DIR/time-limit" 2>/dev/null)
  case $limit in
    '' | *[!0-9]* | ?????*) limit=$hook_seconds ;;
  esac
  [ "$limit" -gt 0 ] && [ "$limit" -le "$most_hook_seconds" ] || limit=$hook_seconds
  printf '%s' "$limit"
}
