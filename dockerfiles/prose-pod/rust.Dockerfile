# prose-pod-server and prose-pod-api: Rust services on Debian trixie. Targets: server, api.
#
# Build context: the component's source tree. Rust and C are compiled on $BUILDPLATFORM for the target: with Debian's cross
# compiler, and the target's own libraries (dpkg multiarch) as its sysroot. Nothing of the target runs in those stages.
# docs/recipes/prose-pod.md says why the images are Debian's and not Alpine's.
#
# RUST: `debian` (rustc and cargo of the suite) or `rustup` (RUST_VERSION, or what the tree's rust-toolchain says).
ARG RUST=debian
# `rust`, or `prosody` for servers before 0.4, which have no Rust in them.
ARG SERVER_KIND=rust

FROM --platform=$BUILDPLATFORM debian:trixie-slim AS tools
# What build scripts want on the build machine, such as cmake, or crates of Debian.
ARG BUILD_PACKAGES=
RUN --mount=type=secret,id=apt-sources,target=/etc/apt/sources.list.d/debian.sources,mode=0444 <<'INSTALL'
set -eu
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Options::=--force-unsafe-io install -qy --no-install-recommends \
    ca-certificates gcc libc6-dev make pkgconf ${BUILD_PACKAGES:-}
INSTALL
ENV CARGO_HOME=/usr/local/cargo RUSTUP_HOME=/usr/local/rustup

FROM --platform=$BUILDPLATFORM tools AS rust-debian
RUN --mount=type=secret,id=apt-sources,target=/etc/apt/sources.list.d/debian.sources,mode=0444 \
    DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Options::=--force-unsafe-io install -qy --no-install-recommends cargo rustc

FROM --platform=$BUILDPLATFORM tools AS rust-rustup
ARG RUST_VERSION=1.89.0
RUN --mount=type=secret,id=apt-sources,target=/etc/apt/sources.list.d/debian.sources,mode=0444 <<'INSTALL'
set -eu
DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Options::=--force-unsafe-io install -qy --no-install-recommends rustup
rustup toolchain install --profile minimal "${RUST_VERSION:?}"
rustup default "$RUST_VERSION"
INSTALL

FROM --platform=$BUILDPLATFORM rust-${RUST} AS cross
ARG BUILDARCH
ARG TARGETARCH
ARG TARGETVARIANT
# Libraries of the target that the service is linked with, such as libsqlite3-dev.
ARG TARGET_PACKAGES=
RUN --mount=type=secret,id=apt-sources,target=/etc/apt/sources.list.d/debian.sources,mode=0444 <<'INSTALL'
set -eu
case $TARGETARCH$TARGETVARIANT in
    armv7) debian=armhf triplet=arm-linux-gnueabihf rust=armv7-unknown-linux-gnueabihf compiler=gcc-arm-linux-gnueabihf ;;
    arm64) debian=arm64 triplet=aarch64-linux-gnu rust=aarch64-unknown-linux-gnu compiler=gcc-aarch64-linux-gnu ;;
    amd64) debian=amd64 triplet=x86_64-linux-gnu rust=x86_64-unknown-linux-gnu compiler=gcc-x86-64-linux-gnu ;;
    *) echo "there is no cross compiler for $TARGETARCH$TARGETVARIANT" >&2 && exit 1 ;;
esac
native=$(dpkg --print-architecture)
# Were this stage itself emulated, it would be of another architecture than the builder.
case $BUILDARCH:$native in amd64:amd64 | arm64:arm64 | arm:armhf) ;; *) echo "this stage is emulated: $native on $BUILDARCH" >&2 && exit 1 ;; esac
[ "$native" != "$debian" ] || compiler=gcc
dpkg --add-architecture "$debian"
packages="$compiler libc6-dev:$debian"
command -v rustup >/dev/null || packages="$packages libstd-rust-dev:$debian"
for package in ${TARGET_PACKAGES:-}; do packages="$packages $package:$debian"; done
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Options::=--force-unsafe-io install -qy --no-install-recommends $packages
! command -v rustup >/dev/null || rustup target add "$rust"
lower=$(echo "$rust" | tr - _)
upper=$(echo "$lower" | tr '[:lower:]' '[:upper:]')
# Read by cargo, and by the crates cc, cmake, pkg-config and bindgen, which build scripts compile and find C with.
cat >/cross.env <<ENVIRONMENT
export TRIPLET=$triplet
export CARGO_BUILD_TARGET=$rust
export CARGO_TARGET_${upper}_LINKER=$triplet-gcc
export CC_$lower=$triplet-gcc
export AR_$lower=$triplet-ar
export PKG_CONFIG_ALLOW_CROSS=1
export PKG_CONFIG_LIBDIR=/usr/lib/$triplet/pkgconfig:/usr/share/pkgconfig
export BINDGEN_EXTRA_CLANG_ARGS_$lower=--target=$triplet
ENVIRONMENT
INSTALL

FROM --platform=$BUILDPLATFORM cross AS compile
WORKDIR /source
COPY . .
# Folder of the crate in the tree, the program that it makes, and where the tree keeps what a version says of itself.
ARG CRATE=.
ARG BINARY
ARG VERSION_DIRECTORY=
ARG CARGO_PROFILE=release
ARG CARGO_INSTALL_EXTRA_ARGS=--locked
ARG VERSION
ARG COMMIT=
ARG BUILD_TIMESTAMP=
ARG SOURCE_DATE_EPOCH
# The next version compiles only what changed; both services, and both platforms, share what they have in common.
RUN --mount=type=cache,id=prose-pod-cargo,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=prose-pod-target,target=/target,sharing=locked <<'COMPILE'
set -eu
. /cross.env
[ -f "$CRATE/Cargo.toml" ] || { echo "the source has no $CRATE/Cargo.toml: is it the source of ${BINARY:?}?" >&2 && exit 1; }
if [ -n "${VERSION_DIRECTORY:-}" ]; then
    mkdir -p "$VERSION_DIRECTORY"
    printf '%s\n' "${VERSION:?}" >"$VERSION_DIRECTORY/VERSION"
    printf '%s\n' "${COMMIT:-}" >"$VERSION_DIRECTORY/COMMIT"
    printf '%s\n' "${BUILD_TIMESTAMP:-$(date -u -d "@${SOURCE_DATE_EPOCH:-0}" +%Y-%m-%dT%H:%M:%SZ)}" >"$VERSION_DIRECTORY/BUILD_TIMESTAMP"
fi
echo "compiling ${BINARY:?} ${VERSION:?} for $CARGO_BUILD_TARGET on $(uname -m)"
(cd "$CRATE" && CARGO_INCREMENTAL=0 CARGO_TARGET_DIR=/target cargo build --bin "$BINARY" --profile "$CARGO_PROFILE" $CARGO_INSTALL_EXTRA_ARGS)
folder=$CARGO_PROFILE
[ "$folder" != dev ] || folder=debug # cargo names it so
install -D -m 0755 "/target/$CARGO_BUILD_TARGET/$folder/$BINARY" "/out/$BINARY"
"$TRIPLET-readelf" -h "/out/$BINARY" | grep Machine:
COMPILE

# The program alone, for looking at it: docker buildx build --target binary --output DIR
FROM scratch AS binary
COPY --from=compile /out/ /

# What of the tree is copied and not compiled.
FROM --platform=$BUILDPLATFORM debian:trixie-slim AS collect
WORKDIR /source
COPY . .
ARG VERSION
ARG COMMIT=
ARG BUILD_TIMESTAMP=
ARG SOURCE_DATE_EPOCH
RUN <<'COLLECT'
set -eu
mkdir -p /out/share /out/modules /out/version
[ ! -f prose.lic ] || install -m 0644 prose.lic /out/share/
[ ! -f pod-bootstrap.cfg.lua ] || install -m 0644 pod-bootstrap.cfg.lua /out/share/prosody.bootstrap.cfg.lua
for plugin in plugins/*/; do [ ! -d "$plugin" ] || cp -R "$plugin." /out/modules/; done
printf '%s\n' "${VERSION:?}" >/out/version/VERSION
printf '%s\n' "${COMMIT:-}" >/out/version/COMMIT
printf '%s\n' "${BUILD_TIMESTAMP:-$(date -u -d "@${SOURCE_DATE_EPOCH:-0}" +%Y-%m-%dT%H:%M:%SZ)}" >/out/version/BUILD_TIMESTAMP
COLLECT

# Shared by both services: hosts get this layer once. 1001 is the number that Prose's documentation gives the service user.
FROM debian:trixie-slim AS runtime
ARG SOURCE_DATE_EPOCH
ARG RUNTIME_PACKAGES=
RUN --mount=type=secret,id=apt-sources,target=/etc/apt/sources.list.d/debian.sources,mode=0444 <<'INSTALL'
set -eu
export DEBIAN_FRONTEND=noninteractive
groupadd --gid 1001 prosody
useradd --uid 1001 --gid prosody --home-dir /var/lib/prosody --no-create-home --shell /usr/sbin/nologin prosody
apt() {
    apt-get -o Dir::Cache::pkgcache=pkgcache.bin -o Dir::Cache::srcpkgcache=srcpkgcache.bin -o Dpkg::Options::=--force-unsafe-io "$@"
}
apt update
apt install -y --no-install-recommends ca-certificates openssl ${RUNTIME_PACKAGES:-}
apt clean
install -d -o prosody -g prosody -m 0750 /etc/prose /etc/prosody /etc/prosody/certs /run/prosody \
    /var/lib/prosody /var/lib/prose-pod-api /var/lib/prose-pod-server
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache \
    /var/lib/dpkg/*-old /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /tmp/* /var/tmp/*
find /var/log -type f -delete
INSTALL
COPY --chmod=0755 <<'ENTRYPOINT' /usr/lib/prose-ship/entrypoint
#!/bin/sh
# Takes /etc/prose/prose.env (systemd's format) and the files in /run/prose/secrets into the environment, makes what must
# be there before a first start, then runs the command.
set -eu
umask 027

fail() {
    echo "entrypoint: $1" >&2
    exit 1
}

take() {
    case $1 in '' | [0-9]* | *[!A-Za-z0-9_]*) fail "'$1' is not the name of an environment variable" ;; esac
    export "$1=$2"
}

environment=${PROSE_SHIP_ENVIRONMENT:-/etc/prose/prose.env}
if [ -f "$environment" ]; then
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
            '' | '#'* | ';'*) continue ;;
            *=\"*\") value=$(printf '%s' "${line#*=}" | sed 's/^"//; s/"$//; s/\\\(["\\]\)/\1/g') ;;
            *=*) value=${line#*=} ;;
            *) fail "$environment: '$line' is not NAME=VALUE" ;;
        esac
        take "${line%%=*}" "$value"
    done <"$environment"
fi
for secret in "${PROSE_SHIP_SECRETS:-/run/prose/secrets}"/*; do
    [ -f "$secret" ] || continue
    take "${secret##*/}" "$(cat "$secret")"
done

# The api opens its database and does not make it.
if [ -n "${PROSE_SHIP_DATABASE:-}" ] && [ ! -e "$PROSE_SHIP_DATABASE" ]; then
    : >"$PROSE_SHIP_DATABASE" || fail "cannot make $PROSE_SHIP_DATABASE"
fi

# One self-signed certificate for all of PROSE_SHIP_DOMAINS, until a real one is copied over it (certbot's deploy hook).
first=${PROSE_SHIP_DOMAINS:-}
first=${first%% *}
certificates=${PROSE_SHIP_CERTIFICATES:-/etc/prosody/certs}
if [ -n "$first" ] && [ ! -e "$certificates/$first/fullchain.pem" ]; then
    names=
    for domain in $PROSE_SHIP_DOMAINS; do
        case $domain in .* | -* | *[!A-Za-z0-9.-]*) fail "PROSE_SHIP_DOMAINS: '$domain' is not a domain name" ;; esac
        names="$names${names:+,}DNS:$domain"
    done
    mkdir -p "$certificates/$first"
    # The key is moved into place first: after a crash in between, the next start makes both anew.
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -sha256 -days 3650 -subj / \
        -addext "subjectAltName=$names" -keyout "$certificates/$first/.key.new" -out "$certificates/$first/.crt.new" 2>/dev/null ||
        fail "cannot make a certificate for $first in $certificates"
    mv -f "$certificates/$first/.key.new" "$certificates/$first/privkey.pem"
    mv -f "$certificates/$first/.crt.new" "$certificates/$first/fullchain.pem"
    echo "entrypoint: made a self-signed certificate for $PROSE_SHIP_DOMAINS"
fi

exec "$@"
ENTRYPOINT
COPY --chmod=0755 <<'HEALTH' /usr/lib/prose-ship/http-ok
#!/bin/bash
# http-ok PORT PATH: whether GET answers 200. Starts no interpreter that a small device would feel every few seconds.
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3
IFS= read -r -t 5 status <&3
case $status in 'HTTP/1.'[01]' 200'*) exit 0 ;; esac
echo "$2 answers: ${status%$'\r'}"
exit 1
HEALTH
USER 1001:1001
ENTRYPOINT ["/usr/lib/prose-ship/entrypoint"]

FROM runtime AS api
# In its degraded mode /health is 200 while /pod/version is 404.
COPY --chmod=0755 <<'HEALTHY' /usr/lib/prose-ship/healthy
#!/bin/sh
/usr/lib/prose-ship/http-ok 8080 /health && /usr/lib/prose-ship/http-ok 8080 /pod/version
HEALTHY
ENV PROSE_SHIP_DATABASE=/var/lib/prose-pod-api/database.sqlite
COPY --from=collect /out/share/ /usr/share/prose/
COPY --from=compile /out/prose-pod-api /usr/local/bin/prose-pod-api
WORKDIR /usr/share/prose
CMD ["prose-pod-api"]
EXPOSE 8080
ARG VERSION
LABEL org.opencontainers.image.title="prose-pod-api" org.opencontainers.image.version="$VERSION"

FROM runtime AS server-prosody
USER 0:0
ARG SOURCE_DATE_EPOCH
RUN --mount=type=secret,id=apt-sources,target=/etc/apt/sources.list.d/debian.sources,mode=0444 <<'INSTALL'
set -eu
export DEBIAN_FRONTEND=noninteractive
apt() {
    apt-get -o Dir::Cache::pkgcache=pkgcache.bin -o Dir::Cache::srcpkgcache=srcpkgcache.bin -o Dpkg::Options::=--force-unsafe-io "$@"
}
apt update
apt install -y --no-install-recommends prosody lua5.4-unbound lua-dbi-sqlite3
apt clean
# One private key for every device of the world is none; the configuration is written at start.
rm -f /etc/ssl/private/ssl-cert-snakeoil.key /etc/ssl/certs/ssl-cert-snakeoil.pem
rm -rf /etc/prosody /var/lib/prosody
find /etc/ssl/certs -xtype l -delete
install -d -o prosody -g prosody -m 0750 /etc/prosody /etc/prosody/certs /run/prosody /var/lib/prosody
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache \
    /var/lib/dpkg/*-old /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /tmp/* /var/tmp/*
find /var/log -type f -delete
INSTALL
COPY --from=collect /out/modules/ /usr/local/lib/prosody/modules/
COPY --from=collect /out/share/ /usr/share/prose/
COPY --from=collect /out/version/ /usr/lib/prosody/prose.version.d/
COPY --chmod=0755 <<'HEALTHY' /usr/lib/prose-ship/healthy
#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/5222
HEALTHY
USER 1001:1001
CMD ["sh", "-c", "cp /usr/share/prose/prosody.bootstrap.cfg.lua /etc/prosody/prosody.cfg.lua && exec prosody -F"]
EXPOSE 5222 5269 5280

FROM server-prosody AS server-rust
COPY --chmod=0755 <<'HEALTHY' /usr/lib/prose-ship/healthy
#!/bin/sh
exec /usr/lib/prose-ship/http-ok 8080 /health
HEALTHY
COPY --from=compile /out/prose-pod-server /usr/local/bin/prose-pod-server
CMD ["prose-pod-server"]
EXPOSE 8080

FROM server-${SERVER_KIND} AS server
ARG VERSION
LABEL org.opencontainers.image.title="prose-pod-server" org.opencontainers.image.version="$VERSION"
