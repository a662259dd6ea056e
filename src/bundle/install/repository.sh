# shellcheck shell=sh
# shellcheck disable=SC2154 # variables of the other parts
# The packages of the bundle, for apt: in a world of its own, so that neither the host's sources nor any network is asked,
# and nothing of it is left afterwards.

# use_repository ARCHITECTURE
use_repository() {
  # A stick's path may hold what a line of apt's sources cannot.
  ln -sfn "$here/packages/$suite" "$work/packages"
  mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/none"
  # SHA256SUMS vouches for the packages.
  printf 'deb [trusted=yes] file:%s/packages ./%s/\n' "$work" "$1" >"$work/sources.list"
  cat >"$work/apt.conf" <<CONF
Dir::Etc::main "$work/none/none";
Dir::Etc::parts "$work/none";
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "$work/none";
Dir::Etc::preferences "$work/none/none";
Dir::Etc::preferencesparts "$work/none";
Dir::State::lists "$work/lists";
Dir::Cache::archives "$work/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Log "/var/log/apt";
Acquire::Languages "none";
APT::Sandbox::User "root";
CONF
  APT_CONFIG=$work/apt.conf
  export APT_CONFIG
}

# installed_bytes PACKAGE...: what they take, as the index says; twice that of a stick's own is never needed.
installed_bytes() {
  printf '%s\n' "$@" >"$work/planned"
  awk -v planned="$work/planned" '
    BEGIN { while ((getline name < planned) > 0) wanted[name] = 1 }
    $1 == "Package:" { name = $2 }
    $1 == "Installed-Size:" && name in wanted { kib += $2 }
    END { printf "%.0f\n", kib * 1024 }
  ' "$here/packages/$suite/$architecture/Packages"
}
