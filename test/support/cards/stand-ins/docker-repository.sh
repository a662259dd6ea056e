#!/bin/sh
# docker-repository.sh DIRECTORY ARCHITECTURE SUITE GNUPGHOME: a repository laid out as Docker's (dists/SUITE/stable), with
# Debian's own engine and Compose under the names, and in the parts, that Docker gives its packages. Signed by the key in GNUPGHOME.
set -eu
repository=$1 architecture=$2 suite=$3 home=$4
work=$(mktemp -d)
trap 'rm -rf "$work"; gpgconf --homedir "$home" --kill all' EXIT

apt() {
  apt-get -qq -o APT::Architecture="$architecture" -o APT::Architectures::="$architecture" -o Dir::State::Lists="$work/lists" \
    -o Dir::State::status=/dev/null -o APT::Sandbox::User=root "$@"
}
mkdir -p "$work/lists/partial" "$work/debs" "$repository/pool"
apt update
cd "$work/debs"
apt download docker.io/"$suite" docker-cli/"$suite" docker-compose/"$suite" containerd/"$suite" runc/"$suite" tini/"$suite"

# package NAME DEPENDS FROM...: one package with the files of all, and the control scripts of the first.
package() {
  name=$1 depends=$2
  shift 2
  first=$1
  tree=$work/tree
  rm -rf "$tree"
  for from in "$@"; do dpkg-deb -x "$work/debs/$from"_*.deb "$tree"; done
  dpkg-deb -e "$work/debs/$first"_*.deb "$tree/DEBIAN"
  version=$(dpkg-deb -f "$work/debs/$first"_*.deb Version)
  for from in "$@"; do rm -rf "$tree/usr/share/doc/$from" "$tree/usr/share/lintian"; done
  rm -f "$tree/DEBIAN/md5sums"
  cat >"$tree/DEBIAN/control" <<CONTROL
Package: $name
Version: 5:${version%%+*}-1~debian.13~$suite
Architecture: $architecture
Maintainer: nobody <packages@example.org>
Depends: $depends
Conflicts: docker.io, docker-cli, docker-compose, containerd, runc
Description: stand-in for $name of Docker's repository
CONTROL
  dpkg-deb --root-owner-group -Zgzip -z1 -b "$tree" "$repository/pool/${name}_$architecture.deb" >/dev/null
}
dependencies() { dpkg-deb -f "$work/debs/$1"_*.deb Depends | tr ',' '\n' | grep -vE '^ *(containerd|runc|tini|docker)' | paste -sd, -; }
package containerd.io "$(dependencies containerd)" containerd runc tini
package docker-ce "containerd.io, docker-ce-cli, $(dependencies docker.io)" docker.io
package docker-ce-cli "$(dependencies docker-cli)" docker-cli
package docker-compose-plugin "docker-ce-cli, $(dependencies docker-compose)" docker-compose

binary=dists/$suite/stable/binary-$architecture
mkdir -p "$repository/$binary"
cd "$repository"
for deb in pool/*.deb; do
  dpkg-deb -f "$deb"
  printf 'Filename: %s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d ' ' -f 1)"
done >"$binary/Packages"
{
  printf 'Origin: Docker\nLabel: Docker CE\nSuite: %s\nCodename: %s\nArchitectures: %s\nComponents: stable\nDate: %s\nSHA256:\n' \
    "$suite" "$suite" "$architecture" "$(LC_ALL=C date -Ru)"
  printf ' %s %s %s\n' "$(sha256sum "$binary/Packages" | cut -d ' ' -f 1)" "$(stat -c %s "$binary/Packages")" "stable/binary-$architecture/Packages"
} >"dists/$suite/Release"
gpg --homedir "$home" --batch --quiet --yes --clearsign --output "dists/$suite/InRelease" "dists/$suite/Release"
