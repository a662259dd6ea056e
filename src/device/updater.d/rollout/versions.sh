# shellcheck shell=sh
# Which releases may follow which, and what they need of this device. The laptop asks the same before it sends anything.

# satisfies VERSION COMPARATORS...: `>=1.2.0 <2.0.0-0`, all of them, by the precedence of Semantic Versioning 2.0, section 11.
satisfies() {
  tested=$1
  shift
  awk -v version="$tested" -v comparators="$*" '
    function sign(number) { return number < 0 ? -1 : number > 0 }
    function precedence(a, b,   i, n, m, pre_a, pre_b, left, right, is_left, is_right) {
      sub(/\+.*/, "", a); sub(/\+.*/, "", b)
      if (i = index(a, "-")) { pre_a = substr(a, i + 1); a = substr(a, 1, i - 1) }
      if (i = index(b, "-")) { pre_b = substr(b, i + 1); b = substr(b, 1, i - 1) }
      split(a, left, "."); split(b, right, ".")
      for (i = 1; i <= 3; i++) if (left[i] + 0 != right[i] + 0) return sign(left[i] - right[i])
      if (pre_a "" == pre_b "") return 0
      if (pre_a "" == "") return 1
      if (pre_b "" == "") return -1
      n = split(pre_a, left, "."); m = split(pre_b, right, ".")
      for (i = 1; i <= n && i <= m; i++) {
        if (left[i] "" == right[i] "") continue
        is_left = left[i] ~ /^[0-9]+$/; is_right = right[i] ~ /^[0-9]+$/
        if (is_left && is_right) return sign(left[i] - right[i])
        if (is_left != is_right) return is_left ? -1 : 1
        return (left[i] "" < right[i] "") ? -1 : 1
      }
      return sign(n - m)
    }
    BEGIN {
      count = split(comparators, comparator, " ")
      for (c = 1; c <= count; c++) {
        bound = comparator[c]; sub(/^[<>=]+/, "", bound)
        operator = substr(comparator[c], 1, length(comparator[c]) - length(bound))
        order = precedence(version, bound)
        if (operator == ">=" ? order < 0 : operator == ">" ? order <= 0 : operator == "<=" ? order > 0 : operator == "<" ? order >= 0 : order != 0) exit 1
      }
    }'
}

# check_versions ID FROM: both are verified releases; FROM may be `-`.
check_versions() {
  check_requirements "$1" || return 1
  # Backwards is not forwards: the older release says nothing about newer ones.
  if [ "$2" = - ] || [ "$j_goal" = rollback ]; then j_rename=no && return 0; fi
  if [ "$(data_version "$1")" -lt "$(data_version "$2")" ]; then
    log_error E_DATA_TOO_NEW "the data has version $(data_version "$2"), release $1 reads $(data_version "$1"); a rollback puts back the copy from before"
    return 1
  fi
  check_upgrade_path "$1" "$2" && check_names "$1" "$2"
}

check_requirements() {
  plan_lines "$1" requires >"$scratch/requires"
  while IFS=$TAB read -r part minimum; do
    case $part in
      engine) found=$(engine_version) ;;
      compose) found=$(compose_version) ;;
      *) continue ;;
    esac
    # Debian writes 26.1.5+dfsg1 and 2.26.1-4: what follows the number is no pre-release.
    number=$(printf '%s' "${found#v}" | sed 's/[^0-9.].*//')
    satisfies "${number:-0}" ">=$minimum" && continue
    case $part in
      engine) log_error E_ENGINE_TOO_OLD "the Docker engine is ${found:-missing}, release $1 needs $minimum or newer" ;;
      compose) log_error E_COMPOSE_TOO_OLD "Docker Compose is ${found:-missing}, release $1 needs $minimum or newer" ;;
    esac
    return 1
  done <"$scratch/requires"
}

# The plan's `upgrade-from` lines are alternatives.
check_upgrade_path() {
  plan_lines "$1" upgrade-from >"$scratch/upgrade-from"
  [ -s "$scratch/upgrade-from" ] || return 0
  name=$(plan_value "$2" recipe 1) recipe_version=$(plan_value "$2" recipe 2)
  if [ -z "$recipe_version" ]; then
    log_warning "release $2 does not tell the version of its recipe: whether $1 may follow it cannot be checked"
    return 0
  fi
  if [ "$name" = "$(plan_value "$1" recipe 1)" ]; then
    while IFS= read -r alternative; do
      # shellcheck disable=SC2046
      satisfies "$recipe_version" $(printf '%s' "$alternative" | tr '\t' ' ') && return 0
    done <"$scratch/upgrade-from"
  fi
  log_error E_UPGRADE_PATH "release $1 follows versions $(tr '\t\n' ' |' <"$scratch/upgrade-from" | sed 's/|$//; s/|/ || /g') of the recipe $(plan_value "$1" recipe 1); here runs $name $recipe_version"
}
