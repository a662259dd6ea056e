# PostgreSQL 17 of Debian trixie, for every platform that Debian has.
#
# Build context: dockerfiles/postgresql (the entrypoint). Nothing here depends on a site: the entrypoint makes role and
# database, their password is mounted, everything that lasts lives in the volume /var/lib/postgresql.
FROM debian:trixie-slim

# Makes useradd write this day, not today, into /etc/shadow: the same packages give the same layer.
ARG SOURCE_DATE_EPOCH

# The package would make a cluster, one and the same for every device of the world: each makes its own instead.
# Compiling queries (LLVM) pays for those that run for seconds; without it the image has half the size.
# apt-sources: the build machine's own mirror, where it has one; it is mounted, so no layer holds it.
RUN --mount=type=secret,id=apt-sources,target=/etc/apt/sources.list.d/debian.sources,mode=0444 <<'INSTALL'
set -eu
export DEBIAN_FRONTEND=noninteractive
groupadd --system --gid 998 postgres
useradd --system --uid 998 --gid postgres --home-dir /var/lib/postgresql --no-create-home --shell /usr/sbin/nologin postgres
mkdir -p /etc/postgresql-common
echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
apt() {
    apt-get -o Dir::Cache::pkgcache=pkgcache.bin -o Dir::Cache::srcpkgcache=srcpkgcache.bin -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Options::=--force-confold "$@"
}
apt update
apt install -y --no-install-recommends postgresql-17
apt clean
rm -rf /usr/lib/postgresql/17/lib/bitcode /usr/lib/postgresql/17/lib/llvmjit*
dpkg --purge --force-depends libllvm19 libz3-4
rm -rf /var/lib/postgresql
install -d -o postgres -g postgres -m 0700 /var/lib/postgresql
install -d -o postgres -g postgres -m 0750 /run/postgresql
rm -f /etc/ssl/private/ssl-cert-snakeoil.key /etc/ssl/certs/ssl-cert-snakeoil.pem
find /etc/ssl/certs -xtype l -delete
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache \
    /var/lib/dpkg/*-old /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/machine-id /tmp/* /var/tmp/*
find /var/log -type f -delete
INSTALL

COPY --chmod=0755 entrypoint.sh /usr/lib/prose-ship/entrypoint

ENV PATH=/usr/lib/postgresql/17/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PGDATA=/var/lib/postgresql/17/main
USER postgres
# SIGTERM would wait for every client to go by itself.
STOPSIGNAL SIGINT
ENTRYPOINT ["/usr/lib/prose-ship/entrypoint"]
CMD ["postgres", "--listen_addresses=*"]
EXPOSE 5432

# Last, so that a new version which changes nothing else changes this layer alone.
ARG COMPONENT_VERSION=0.0.0
LABEL org.opencontainers.image.title="PostgreSQL" \
    org.opencontainers.image.description="Database" \
    org.opencontainers.image.licenses="PostgreSQL" \
    org.opencontainers.image.version="$COMPONENT_VERSION"
COPY --chmod=0644 <<COMPONENT /usr/share/prose-ship/component.json
{"name":"postgresql","version":"$COMPONENT_VERSION"}
COMPONENT
