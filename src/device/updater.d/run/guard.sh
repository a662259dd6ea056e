# shellcheck shell=sh
# Who stays with a run that nobody waits for. The kernel may kill the updater (no memory left) while services are stopped,
# and neither a boot nor another run may come for months; so a parent that does nothing else has `boot` finish or revert
# what a killed run left. It holds neither the lock nor a log.

# More often than a rollout is taken up again (rollout/journal.sh) and gone back from.
most_successors=12
# A child of a killed run (Compose, say) may still work, and keeps the lock meanwhile.
orphan_seconds=600

# guard VERB ARGS: runs the verb and ends with its exit status.
verb_guard() {
  [ $# -gt 0 ] || wrong_usage "'guard' takes a verb and its arguments"
  trap '' HUP PIPE
  told_to_end=no guarded=0 successors=0
  trap 'told_to_end=yes; [ "$guarded" = 0 ] || kill -s TERM "$guarded" 2>/dev/null' TERM INT
  wait_for_run "$@"
  # The log of the run that was killed has ended.
  PROSE_SHIP_LOG=
  while [ "$guarded_status" -gt 128 ] && [ "$told_to_end" = no ] && [ "$successors" -lt "$most_successors" ]; do
    successors=$((successors + 1))
    # Whoever killed it for its lock comes first.
    sleep "$successors"
    was_last || break
    wait_for_run boot
  done
  exit "$guarded_status"
}

# A signal that this program gets ends `wait` before the run has ended.
wait_for_run() {
  "$UPDATER" "$@" &
  guarded=$!
  while :; do
    wait "$guarded"
    guarded_status=$?
    kill -s 0 "$guarded" 2>/dev/null || break
  done
}

# Whether nobody took the lock after the run that was killed: a run begins by ending what it finds half-way.
was_last() {
  flock -w "$orphan_seconds" "$LOCK_FILE" true
  [ "$(sed -n "s/^pid$TAB//p" "$LOCK_FILE")" = "$guarded" ]
}
