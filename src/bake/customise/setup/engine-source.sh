#!/bin/sh
# engine-source.sh ROOT: prints the apt source of the engine's packages for the system in ROOT; nothing where they are Debian's.
set -eu
template=$(dirname "$0")/engine.sources
[ -s "$template" ] || exit 0
release=$1/usr/lib/os-release
[ -f "$release" ] || release=$1/etc/os-release
field() { sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" "$release"; }
id=$(field ID) suite=$(field VERSION_CODENAME)
if [ -z "$id" ] || [ -z "$suite" ]; then
  printf 'prose-ship-error\tE_ENGINE_MISSING\tthe base does not tell its name and release (os-release), so there are no Docker packages for it\n' >&2
  exit 3
fi
sed "s|@ID@|$id|; s|@SUITE@|$suite|" "$template"
