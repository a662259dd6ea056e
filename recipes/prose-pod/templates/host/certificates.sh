#!/bin/sh
# Rendered by prose-ship: change the recipe or the site, not this file.
# Certificates of {{ site.domain }} (for Prosody) and {{ pod_domain }} (for nginx).
# usage: {{ site.name }}-certificates placeholder | issue | deploy LINEAGE
#   placeholder   self-signed ones where there is none, so that nginx can start
#   issue         asks for real ones that are not there yet, and deploys those that are
#   deploy        copies one to nginx and Prosody, and lets them read it; certbot's deploy hook
set -eu
umask 077
tls=${PROSE_TLS:-/etc/prose/tls}
live=${PROSE_LETSENCRYPT:-/etc/letsencrypt}/live
web_root=/var/www/{{ site.name }}
names_of() {
    case $1 in
        {{ site.domain }}) echo {{ site.domain }} groups.{{ site.domain }} ;;
        {{ pod_domain }}) echo {{ pod_domain }} {{ dashboard_domain }} ;;
        *) return 1 ;;
    esac
}

# Files appear whole: the key first, so that a certificate is never beside the key of another for longer than a rename.
put() {
    mkdir -p "$tls/$1"
    chmod 0755 "$tls" "$tls/$1"
    cp "$2/privkey.pem" "$tls/$1/.privkey.new"
    cp "$2/fullchain.pem" "$tls/$1/.fullchain.new"
    mv -f "$tls/$1/.privkey.new" "$tls/$1/privkey.pem"
    mv -f "$tls/$1/.fullchain.new" "$tls/$1/fullchain.pem"
}

placeholder() {
    [ ! -e "$tls/$1/fullchain.pem" ] || return 0
    scratch=$(mktemp -d)
    alternatives=
    for name in $(names_of "$1"); do alternatives="$alternatives${alternatives:+,}DNS:$name"; done
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -days 3650 -subj / \
        -addext "subjectAltName=$alternatives" -keyout "$scratch/privkey.pem" -out "$scratch/fullchain.pem" 2>/dev/null
    put "$1" "$scratch"
    rm -rf "$scratch"
}

server() {
    docker ps -q --filter label=com.docker.compose.project={{ site.name }} --filter label=com.docker.compose.service=server
}

# To the server's own user, by the server's own user: the files cannot have another owner.
give_prosody() {
    container=$(server)
    [ -n "$container" ] || { echo 'the server is not running; it gets its certificate when it does' >&2 && return 0; }
    place=/etc/prosody/certs/$1
    ! docker exec "$container" cat "$place/fullchain.pem" 2>/dev/null | cmp -s - "$2/fullchain.pem" || return 0
    for name in privkey fullchain; do
        # shellcheck disable=SC2016 # expanded in the container
        docker exec -i "$container" sh -c 'umask 077 && mkdir -p "$1" && cat >"$1/.$2.new" && mv -f "$1/.$2.new" "$1/$2.pem"' sh "$place" "$name" <"$2/$name.pem"
    done
    docker exec "$container" prosodyctl reload
}

deploy() {
    lineage=${1%/}
    name=${lineage##*/}
    names_of "$name" >/dev/null || return 0 # another certificate of this host
    if ! cmp -s "$lineage/fullchain.pem" "$tls/$name/fullchain.pem"; then
        put "$name" "$lineage"
        nginx -t -q && nginx -s reload
    fi
    case $name in {{ site.domain }}) give_prosody "$name" "$lineage" ;; esac
}

issue() {
    failed=0
    for name in {{ site.domain }} {{ pod_domain }}; do
        if [ ! -e "$live/$name/fullchain.pem" ]; then
            mkdir -p "$web_root"
            chmod 0755 "$web_root"
            domains=
            for one in $(names_of "$name"); do domains="$domains --domain $one"; done
            # shellcheck disable=SC2086 # a list
            certbot certonly --quiet --non-interactive --agree-tos {% if certificate_email != "" %}--email {{ certificate_email }}{% else %}--register-unsafely-without-email{% endif %} \
                --webroot --webroot-path "$web_root" --cert-name "$name" $domains || { failed=1 && continue; }
        fi
        deploy "$live/$name" || failed=1
    done
    return "$failed"
}

case ${1:-} in
    placeholder) for name in {{ site.domain }} {{ pod_domain }}; do placeholder "$name"; done ;;
    issue) issue ;;
    deploy) deploy "${2:?}" ;;
    *) sed -n 's/^# usage: /usage: /p' "$0" >&2 && exit 2 ;;
esac
