#!/bin/sh
# Run by mmdebstrap with the root file system as $1: makes it the same on every machine, and fit for containers.
set -eu
root=$1

# Debian's ordinary sources, as apt itself documents them: the mirror of the build machine stays out of the image.
# trixie's apt brings a deb822 file, bookworm's one-line entries. Of the suites, those stay that the image was made of
# (PROSE_SHIP_SUITES): what this mirror lacks would break `apt-get update` in every build step.
examples=$root/usr/share/doc/apt/examples
target=$root/etc/apt/sources.list.d/debian.sources
signed=/usr/share/keyrings/debian-archive-keyring.gpg
rm -f "$root/etc/apt/sources.list" "$root"/etc/apt/sources.list.d/*
for example in "$examples/debian.sources" "$examples/sources.list"; do
    [ ! -e "$example" ] || cat "$example"
done | awk -v signed="$signed" -v wanted="${PROSE_SHIP_SUITES:-}" '
    BEGIN { count = split(wanted, names, " "); for (i = 1; i <= count; i++) keep[names[i]] = 1 }
    function entry(uri, suite) {
        if (count && !(suite in keep)) return
        printf "%sTypes: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n", (written++ ? "\n" : ""), uri, suite, signed
    }
    $1 == "deb" { entry($2, $3) }
    $1 == "URIs:" { uri = $2 }
    $1 == "Suites:" { for (i = 2; i <= NF; i++) entry(uri, $i) }
' >"$target"
[ -s "$target" ]
chmod 0644 "$target"
rm -rf "$examples"

# Archives of installed packages would stay in the layer.
printf 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };\nDir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n' \
    >"$root/etc/apt/apt.conf.d/90containers"

# Only for the making of the base.
sed -i '/^APT::Sandbox::User /d' "$root/etc/apt/apt.conf.d/99mmdebstrap"

# Of this machine, of this day, or made again when wanted.
rm -f "$root/etc/machine-id" "$root/etc/hostname" "$root/etc/resolv.conf" \
    "$root/etc/passwd-" "$root/etc/group-" "$root/etc/shadow-" "$root/etc/gshadow-" \
    "$root"/var/cache/apt/*.bin "$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old "$root/var/cache/ldconfig/aux-cache"
find "$root/var/log" -type f -delete
