# shellcheck shell=sh
# One changing verb at a time. The kernel holds the lock (flock) for as long as the run or a child of it lives, so a killed
# updater whose `docker compose` still runs keeps it, and a power cut always frees it. What stands in the file only tells
# people who the owner is; a boot id other than today's marks it as history. Ages are counted since the boot, because the
# clock of such a device may be years off and jump while a run lasts.

LOCK_FILE=$STATE_DIR/lock
# In memory: written at every step, and worth nothing after a boot.
HEARTBEAT_FILE=$RUN_DIR/heartbeat
# After a kill a last child may need a moment to end.
lock_wait_seconds=5
# Longer than any step that says nothing: a large image is loaded, the data is copied.
hung_after_seconds=1800
# What a run that is ended may take to revert by itself; then it is killed, and the next one reverts.
end_wait_seconds=20

boot_id() {
  cat /proc/sys/kernel/random/boot_id
}

# heartbeat: a sign of progress, not only of life: what waits for a hung engine gives none.
heartbeat() {
  [ -n "${lock_is_ours:-}" ] || return 0
  read_uptime
  printf '%s %s\n' "$$" "$uptime_now" 2>/dev/null >"$HEARTBEAT_FILE" || :
}

# take_lock RUN: with $steal (hung, or owner and $steal_owner) also from another run.
take_lock() {
  exec 7>>"$LOCK_FILE"
  wait_seconds=$lock_wait_seconds
  # An engine that came up anew calls for a boot (prose-ship.service), maybe while somebody is at work.
  [ "$1" != boot ] || wait_seconds=$hung_after_seconds
  [ "$steal" = no ] || wait_seconds=0
  if ! flock -w "$wait_seconds" 7; then
    read_lock
    if ! may_steal; then log_error E_LOCKED "$(refusal)"; return 1; fi
    steal_lock || return 1
  fi
  # Descriptor 9 is open in the run that has the lock and in what it starts, never in one that waits for it: so the
  # processes of a run can be told from others.
  exec 9>&7 7>&-
  lock_is_ours=yes
  read_date
  {
    printf 'owner\t%s\n' "$(operator)"
    printf 'run\t%s\n' "$1"
    printf 'pid\t%s\n' "$$"
    printf 'boot\t%s\n' "$(boot_id)"
    printf 'time\t%s\n' "$now"
    printf 'uptime\t%s\n' "$uptime_now"
    printf 'log\t%s\n' "$log_name"
  } >"$LOCK_FILE"
  heartbeat
}

lock_processes() {
  find -L /proc/[0-9]*/fd -maxdepth 1 -name 9 -samefile "$LOCK_FILE" 2>/dev/null | cut -d / -f 3
}

# read_lock: who has the lock, since when, and the age of the last sign of progress; empty where that is not known.
read_lock() {
  l_owner='' l_run='' l_pid='' l_boot='' l_uptime='' l_log='' lock_age='' heartbeat_age=''
  while IFS=$TAB read -r key value; do
    case $key in
      owner) l_owner=$value ;;
      run) l_run=$value ;;
      pid) l_pid=$value ;;
      boot) l_boot=$value ;;
      uptime) l_uptime=$value ;;
      log) l_log=$value ;;
    esac
  done 2>/dev/null <"$LOCK_FILE"
  # Then the text is that of an older run: whoever has the lock took it with another program.
  if [ "$l_boot" != "$(boot_id)" ] || [ -z "$(lock_processes)" ]; then l_owner='' l_run='' l_uptime='' l_log=''; fi
  [ -n "$l_uptime" ] || return 0
  read_uptime
  lock_age=$((uptime_now - l_uptime))
  # It is written in place; between two words it is empty for an instant.
  beat_pid='' beat=''
  for _ in 1 2 3; do
    [ -n "$beat" ] || read -r beat_pid beat 2>/dev/null <"$HEARTBEAT_FILE" || :
  done
  [ "$beat_pid" = "$l_pid" ] && [ -n "$beat" ] || beat=$l_uptime
  heartbeat_age=$((uptime_now - beat))
}

# age SECONDS
age() {
  if [ "$1" -lt 120 ]; then
    printf '%s s' "$1"
  elif [ "$1" -lt 7200 ]; then
    printf '%s min' "$(($1 / 60))"
  else
    printf '%s h' "$(($1 / 3600))"
  fi
}

# describe_lock: of what read_lock found.
describe_lock() {
  if [ -z "$l_owner" ]; then printf 'a program that is not a run of the updater'; return; fi
  printf 'owner %s, run %s' "$l_owner" "$l_run"
  [ -z "$lock_age" ] || printf ', began %s ago, last progress %s ago' "$(age "$lock_age")" "$(age "$heartbeat_age")"
}

refusal() {
  printf 'another updater run holds the lock: %s' "$(describe_lock)"
  case $steal in
    hung) printf '; it counts as hung after %s without progress, and is ended before that only by the name of its owner' "$(age "$hung_after_seconds")" ;;
    owner) printf '; it is not that of %s' "$steal_owner" ;;
  esac
}

# The owner as status shows it, or without the address.
may_steal() {
  case $steal in
    hung) [ -n "$heartbeat_age" ] && [ "$heartbeat_age" -ge "$hung_after_seconds" ] ;;
    owner) [ -n "$l_owner" ] && { [ "$steal_owner" = "$l_owner" ] || [ "$steal_owner" = "${l_owner%% from *}" ]; } ;;
    *) return 1 ;;
  esac
}

# Whatever it was doing, the journal tells how to finish or revert it.
steal_lock() {
  robbed=$(describe_lock)
  log_warning "ending another run: $robbed"
  wait_seconds=$end_wait_seconds
  for signal in TERM KILL KILL KILL; do
    # shellcheck disable=SC2046
    kill -s "$signal" $(lock_processes) 2>/dev/null
    if flock -w "$wait_seconds" 7; then
      audit "$run" "took the lock from $robbed (SIG$signal)"
      return 0
    fi
    wait_seconds=$lock_wait_seconds
  done
  log_error E_LOCKED "another run cannot be ended, not even by SIGKILL: $robbed"
}

# steal-lock [OWNER]: the run that took the lock then ends what the other one left half-way.
verb_steal_lock() {
  recover_unfinished || return
  log_info 'the lock was taken; nothing is half-way'
}
