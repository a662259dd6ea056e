# Prosody of Debian trixie, for every platform that Debian has.
#
# Build context: dockerfiles/prosody (the entrypoint). Nothing here depends on a site: its configuration is mounted at
# /etc/prosody/prosody.cfg.lua, its data and certificates live in the volume /var/lib/prosody.
#
# A cheap health command for Compose, which starts neither Lua nor OpenSSL (that takes seconds under emulation):
#   healthcheck: { test: ['CMD', 'bash', '-c', 'exec 3<>/dev/tcp/127.0.0.1/5222'] }
# `prosodyctl status` asks more, and wants `pidfile = "/run/prosody/prosody.pid"` in the configuration.
FROM debian:trixie-slim

# Makes useradd write this day, not today, into /etc/shadow: the same packages give the same layer.
ARG SOURCE_DATE_EPOCH
# More packages of Debian, such as Lua's driver of a database; none by default.
ARG EXTRA_PACKAGES

# The user's number is fixed because mounted files are given to it by number.
# Debian's images tell apt to keep no parsed package lists; parsing them twice costs most of a minute under emulation.
# apt-sources: the build machine's own mirror, where it has one; it is mounted, so no layer holds it.
# ssl-cert makes a key pair at installation: one private key for every device of the world is none, so it goes.
RUN --mount=type=secret,id=apt-sources,target=/etc/apt/sources.list.d/debian.sources,mode=0444 <<'INSTALL'
set -eu
export DEBIAN_FRONTEND=noninteractive
groupadd --system --gid 999 prosody
useradd --system --uid 999 --gid prosody --home-dir /var/lib/prosody --no-create-home --shell /usr/sbin/nologin prosody
apt() {
    apt-get -o Dir::Cache::pkgcache=pkgcache.bin -o Dir::Cache::srcpkgcache=srcpkgcache.bin -o Dpkg::Options::=--force-unsafe-io "$@"
}
apt update
# shellcheck disable=SC2086 # a list
apt install -y --no-install-recommends prosody lua5.4-unbound ca-certificates openssl ${EXTRA_PACKAGES:-}
apt clean
install -d -o prosody -g prosody -m 0750 /run/prosody /var/lib/prosody/certs
rm -f /etc/ssl/private/ssl-cert-snakeoil.key /etc/ssl/certs/ssl-cert-snakeoil.pem
find /etc/ssl/certs -xtype l -delete
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache \
    /var/lib/dpkg/*-old /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/machine-id /tmp/* /var/tmp/*
find /var/log -type f -delete
INSTALL

COPY --chmod=0755 entrypoint.sh /usr/lib/prose-ship/entrypoint
COPY --chmod=0755 rename-domain.lua /usr/lib/prose-ship/rename-domain

USER prosody
ENTRYPOINT ["/usr/lib/prose-ship/entrypoint"]
CMD ["prosody", "-F"]
EXPOSE 5222 5269 5280 5281

# Last, so that a new version which changes nothing else changes this layer alone.
ARG COMPONENT_VERSION=0.0.0
LABEL org.opencontainers.image.title="Prosody" \
    org.opencontainers.image.description="XMPP server" \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.version="$COMPONENT_VERSION"
COPY --chmod=0644 <<COMPONENT /usr/share/prose-ship/component.json
{"name":"prosody","version":"$COMPONENT_VERSION"}
COMPONENT
