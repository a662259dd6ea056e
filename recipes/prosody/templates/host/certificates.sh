#!/bin/sh
# Rendered by prose-ship: change the recipe or the site, not this file.
# The certificate of {{ site.domain }} and its services, for Prosody{% if web %}, nginx{% endif %}{% if turn %} and coturn{% endif %}.
# usage: {{ site.name }}-certificates placeholder | issue | {% if certificates == "private" %}renew | {% endif %}deploy LINEAGE
#   placeholder   a self-signed one where there is none, so that other programs can start
{%- if certificates == "letsencrypt" %}
#   issue         asks Let's Encrypt for one that covers all names with an address, where there is none yet, and deploys it
#   deploy        copies one to where programs read it, and lets them read it; certbot's deploy hook
{%- else %}
#   issue         has one signed by the authority of this host, where there is none or it ends within 30 days, and deploys it
#   renew         has a new one signed, whatever the old one is like, and deploys it
#   deploy        copies one to where programs read it, and lets them read it
{%- endif %}
set -eu
umask 077
domain={{ site.domain }}
tls=${PROSE_TLS:-/etc/prose/tls}/$domain
# Prosody's: each gets the files under its own name.
hosts='{{ site.domain }}{% if rooms %} {{ rooms_domain }}{% endif %}{% if proxy65 %} {{ proxy65_domain }}{% endif %}{% if pubsub %} {{ pubsub_domain }}{% endif %}'
names="$hosts{% if host_name != site.domain %} {{ host_name }}{% endif %}"
{%- if certificates == "letsencrypt" %}
live=${PROSE_LETSENCRYPT:-/etc/letsencrypt}/live/$domain
{%- else %}
authority=${PROSE_AUTHORITY:-/etc/prose/authority}
authority_program=${PROSE_AUTHORITY_PROGRAM:-/usr/local/sbin/{{ site.name }}-authority}
{%- endif %}
{%- if web and certificates == "letsencrypt" %}
web_root=${PROSE_WEB_ROOT:-/var/www/{{ site.name }}}
{%- endif %}

alternatives() {
    list=
    for name in "$@"; do list="$list${list:+,}DNS:$name"; done
    {%- if certificates == "private" and ipv4 != "" %}
    list="$list,IP:{{ ipv4 }}"
    {%- endif %}
    echo "$list"
}

# put FOLDER: files appear whole, the key first, so that a certificate is never beside another's key for longer than a rename.
put() {
    mkdir -p "$tls"
    chmod 0755 "$tls" "${tls%/*}"
    cp "$1/privkey.pem" "$tls/.privkey.new"
    cp "$1/fullchain.pem" "$tls/.fullchain.new"
    mv -f "$tls/.privkey.new" "$tls/privkey.pem"
    mv -f "$tls/.fullchain.new" "$tls/fullchain.pem"
}

placeholder() {
    [ ! -e "$tls/fullchain.pem" ] || return 0
    scratch=$(mktemp -d)
    # shellcheck disable=SC2086 # a list
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -days 3650 -subj "/CN={{ site.name }}" \
        -addext "subjectAltName=$(alternatives $names)" -keyout "$scratch/privkey.pem" -out "$scratch/fullchain.pem" 2>/dev/null
    put "$scratch"
    rm -rf "$scratch"
}

# To the server's own user, by the server's own user: the files cannot have another owner.
give_prosody() {
    container=$(docker ps -q --filter label=com.docker.compose.project={{ site.name }} --filter label=com.docker.compose.service=server) || return 1
    [ -n "$container" ] || { echo 'the server is not running; it gets its certificate when it does' >&2 && return 0; }
    given=no
    for name in $hosts; do
        place=/var/lib/prosody/certs/$name
        ! docker exec "$container" cat "$place.crt" 2>/dev/null | cmp -s - "$1/fullchain.pem" || continue
        for kind in key:privkey crt:fullchain; do
            # shellcheck disable=SC2016 # expanded in the container
            docker exec -i "$container" sh -c 'umask 077 && cat >"$1.new" && mv -f "$1.new" "$1"' sh "$place.${kind%:*}" <"$1/${kind#*:}.pem" || return 1
        done
        given=yes
    done
    [ "$given" = no ] || docker exec "$container" prosodyctl reload
}

deploy() {
    lineage=${1%/}
    [ "${lineage##*/}" = "$domain" ] || return 0 # another certificate of this host
    failed=0
    if ! cmp -s "$lineage/fullchain.pem" "$tls/fullchain.pem"; then
        put "$lineage"
        {%- if web %}
        { nginx -t -q && nginx -s reload; } || failed=1
        {%- endif %}
        {%- if turn %}
        systemctl try-restart coturn.service || failed=1
        {%- endif %}
    fi
    give_prosody "$lineage" || failed=1
    return "$failed"
}
{%- if certificates == "letsencrypt" %}

# One name without an address would spoil the certificate of all.
reachable_names() {
    for name in $names; do
        if getent ahosts "$name" >/dev/null; then echo "$name"; else echo "$name has no address in the DNS yet; it is left out" >&2; fi
    done
}

issue() {
    wanted=$(reachable_names)
    case "$wanted" in "$domain"*) ;; *) echo "$domain is not in the DNS yet; see \`prose-ship dns\`" >&2 && return 1 ;; esac
    missing=no
    for name in $wanted; do
        openssl x509 -noout -checkhost "$name" -in "$live/fullchain.pem" 2>/dev/null | grep -q 'does match' || missing=yes
    done
    if [ "$missing" = yes ]; then
        domains=
        for name in $wanted; do domains="$domains --domain $name"; done
        {%- if web %}
        mkdir -p "$web_root"
        chmod 0755 "$web_root"
        {%- endif %}
        # shellcheck disable=SC2086 # a list
        certbot certonly --quiet --non-interactive --agree-tos --expand {% if certificate_email != "" %}--email {{ certificate_email }}{% else %}--register-unsafely-without-email{% endif %} \
            {% if certificate_server != "" %}--server {{ certificate_server }} {% endif %}{% if web %}--webroot --webroot-path "$web_root"{% else %}--standalone{% endif %} --cert-name "$domain" $domains
    fi
    deploy "$live"
}
{%- else %}

# issue sign | renew
issue() {
    "$authority_program" "$1"
    deploy "$authority/$domain"
}
{%- endif %}

case ${1:-} in
    placeholder) placeholder ;;
    {%- if certificates == "letsencrypt" %}
    issue) issue ;;
    {%- else %}
    issue) issue sign ;;
    renew) issue renew ;;
    {%- endif %}
    deploy) deploy "${2:?}" ;;
    *) sed -n 's/^# usage: /usage: /p' "$0" >&2 && exit 2 ;;
esac
