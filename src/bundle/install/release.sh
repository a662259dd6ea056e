# shellcheck shell=sh
# shellcheck disable=SC2154 # variables of the other parts
# The release goes into the drop zone as an upload would, and from there the updater has it.

bring_release() {
  if [ "$current" = "$release_id" ] || is_kept; then
    skip "Release $release_id" 'is on this host already'
    return
  fi
  begin "Release $release_id"
  staged=$STATE_DIR/.install-$release_id
  rm -rf "$STATE_DIR"/.install-*
  { mkdir -m 0700 "$staged" && copy_release && rm -rf "${INCOMING_DIR:?}/$release_id" && mv -T "$staged" "$INCOMING_DIR/$release_id"; } ||
    { rm -rf "$staged"; fail 1 E_FILES "the release cannot be copied to $STATE_DIR" 'Look whether the disk is full, or the stick was pulled out, then run this again.'; }
  end "$copied of $images images copied"
}

# Prepared before, and not yet rolled out.
is_kept() {
  cmp -s "$upload/SHA256SUMS" "$STATE_DIR/releases/$release_id/SHA256SUMS" && [ ! -d "$STATE_DIR/releases/$release_id/images" ] && [ -z "$(needed_images)" ]
}

# By our own list: desktops leave files of theirs on sticks. Archives of images that the engine has stay behind.
copy_release() {
  needed=$(needed_images) images=0 copied=0
  sed -n "s#^[0-9a-f]*  release/$platform/##p" SHA256SUMS >"$work/files"
  while IFS= read -r file <&3; do
    case $file in
      images/*)
        component=${file#images/}
        case $file in *.tar.*) component=${component%.tar.*} images=$((images + 1)) ;; *) component=${component%.size} ;; esac
        printf '%s\n' "$needed" | grep -qxF -e "$component" || continue
        case $file in *.tar.*) copied=$((copied + 1)) ;; esac
        ;;
    esac
    mkdir -p "$staged/$(dirname "$file")" && cp "$upload/$file" "$staged/$file" || return 1
  done 3<"$work/files"
  while read -r sum file; do
    [ ! -f "$staged/$file" ] || printf '%s  %s\n' "$sum" "$file"
  done <"$upload/UPLOAD.sha256" >"$staged/UPLOAD.sha256"
}

roll_out() {
  begin "Roll out $release_id"
  after_interruption="The host goes on by itself, and finishes or reverts. \`sudo $UPDATER status\` shows how it gets on."
  log=$("$UPDATER" start rollout "$release_id" 2>"$work/start.log") ||
    fail 1 E_UPDATER "the updater could not be started: $(tail -n 3 "$work/start.log" | one_line_of)" "\`sudo $UPDATER status\` shows the state of this host."
  { "$UPDATER" follow "$log"; echo $? >"$work/status"; } | tell_log
  status=$(cat "$work/status")
  if [ "$status" = 0 ]; then end 'committed'; return; fi
  IFS=$TAB read -r code text <"$work/error" || { code=E_UPDATER text="the updater ended with exit status $status"; }
  case $status in
    4)
      before='the release before runs again'
      [ "$current" != - ] || before='there was none before, so nothing runs; its data was kept'
      fail 4 E_ROLLED_BACK "$text; $before" "Its log is $STATE_DIR/log/$log."
      ;;
    3) fail 3 "$code" "$text" "\`sudo $UPDATER status\` shows the state of this host." ;;
    *) fail 1 "$code" "$text" "\`sudo $UPDATER status\` shows the state of this host." ;;
  esac
}

# The updater's log lines, for people; the first error goes into $work/error.
tell_log() {
  : >"$work/error"
  while IFS=$TAB read -r _ kind text more; do
    case $kind in
      info) printf '  %s\n' "$text" ;;
      warning) printf '  warning: %s\n' "$text" ;;
      error)
        printf '  %s\n' "$more"
        [ -s "$work/error" ] || printf '%s\t%s\n' "$text" "$more" >"$work/error"
        ;;
    esac
  done
}

what_comes_next() {
  printf '\n%s %s runs here.\n' "$site_name" "$version"
  cat "$here/next.txt"
}
