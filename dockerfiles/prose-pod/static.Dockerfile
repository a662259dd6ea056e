# prose-pod-dashboard and prose-app-web: static files behind nginx on Debian trixie.
#
# Build context: the component's source tree. The files are built once, on $BUILDPLATFORM, for all platforms: the stage
# takes no argument of the target, so BuildKit runs it once.
#
# NODE: `image` (the official Node image) or `debian` (Node of the suite, without npm).
ARG NODE=image

FROM --platform=$BUILDPLATFORM debian:trixie-slim AS node-debian
RUN --mount=type=secret,id=apt-sources,target=/etc/apt/sources.list.d/debian.sources,mode=0444 <<'INSTALL'
set -eu
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Options::=--force-unsafe-io install -qy --no-install-recommends nodejs
INSTALL

FROM --platform=$BUILDPLATFORM node:24-trixie-slim AS node-image

FROM --platform=$BUILDPLATFORM node-${NODE} AS build
WORKDIR /source
COPY . .
ARG VERSION
ARG BUILD_COMMAND='npm ci && npm run build'
# Installs everything, then builds for production: NODE_ENV=production would leave the bundler out of the first.
RUN --mount=type=cache,id=prose-pod-npm,target=/root/.npm,sharing=locked <<'BUILD'
set -eu
echo "building ${VERSION:?} with node $(node --version) on $(uname -m)"
sh -euc "$BUILD_COMMAND"
[ -f dist/index.html ] || { echo 'the build left no dist/index.html' >&2 && exit 1; }
BUILD

FROM debian:trixie-slim
ARG SOURCE_DATE_EPOCH
RUN --mount=type=secret,id=apt-sources,target=/etc/apt/sources.list.d/debian.sources,mode=0444 <<'INSTALL'
set -eu
export DEBIAN_FRONTEND=noninteractive
apt() {
    apt-get -o Dir::Cache::pkgcache=pkgcache.bin -o Dir::Cache::srcpkgcache=srcpkgcache.bin -o Dpkg::Options::=--force-unsafe-io "$@"
}
apt update
apt install -y --no-install-recommends nginx
apt clean
rm -rf /etc/nginx/sites-enabled /etc/nginx/sites-available /var/www/html /var/log/nginx
install -d -m 0755 /usr/share/nginx/html /var/log/nginx
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache \
    /var/lib/dpkg/*-old /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /tmp/* /var/tmp/*
find /var/log -type f -delete
INSTALL
COPY --chmod=0644 <<'NGINX' /etc/nginx/nginx.conf
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
    include mime.types;
    default_type application/octet-stream;
    access_log off;
    sendfile on;
    server_tokens off;
    gzip on;
    gzip_types text/css application/javascript application/json image/svg+xml;
    include conf.d/*.conf;
}
NGINX
ARG NGINX_CONF=nginx.conf
COPY --chmod=0644 ${NGINX_CONF} /etc/nginx/conf.d/default.conf
COPY --from=build /source/dist/ /usr/share/nginx/html/
CMD ["nginx", "-g", "daemon off;"]
EXPOSE 8080
ARG VERSION
ARG TITLE
LABEL org.opencontainers.image.title="$TITLE" org.opencontainers.image.version="$VERSION"
