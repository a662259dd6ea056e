#!/bin/sh
# Rendered by prose-ship: change the recipe or the site, not this file.
# The certificate of {{ site.domain }} and its services, for Prosody{% if web %}, nginx{% endif %}{% if turn %} and coturn{% endif %}.
# usage: {{ site.name }}-certificates placeholder | issue | deploy LINEAGE | check
#   placeholder   a self-signed one where there is none, so that other programs can start
{%- if certificates == "letsencrypt" %}
#   issue         asks the authority where one is missing that covers {% if certificate_challenge == "http-01" %}all names with an address{% else %}all names{% endif %}, or was asked for in another way, and deploys it
#   deploy        copies one to where programs read it, and lets them read it; certbot's deploy hook
{%- else %}
#   issue         signs one with the authority of this host, where there is none or it ends within 30 days, and deploys it
#   deploy        copies one to where programs read it, and lets them read it
{%- endif %}
#   check         says what is wrong with those that programs show; exit status 1 if anything is
set -eu
umask 077
domain={{ site.domain }}
tls=${PROSE_TLS:-/etc/prose/tls}/$domain
# Prosody's: each gets the files under its own name.
hosts='{{ site.domain }}{% if rooms %} {{ rooms_domain }}{% endif %}{% if proxy65 %} {{ proxy65_domain }}{% endif %}{% if pubsub %} {{ pubsub_domain }}{% endif %}'
{%- comment %} Without web and calls nobody asks for the host's own name, whose records may be another provider's. {% endcomment %}
names="$hosts{% if host_name != site.domain %}{% if web or turn or certificate_challenge == "http-01" %} {{ host_name }}{% endif %}{% endif %}"
{%- assign one_record = false %}
{%- if certificates == "letsencrypt" %}
{%- if certificate_challenge == "dns-01" and challenge_url == "" and challenge_command == "" %}{% assign one_record = true %}{% endif %}
live=/etc/letsencrypt/live
{%- else %}
authority=${PROSE_AUTHORITY:-/etc/prose/authority}
{%- endif %}
{%- if web %}
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

covers() {
    openssl x509 -noout -checkhost "$2" -in "$1" 2>/dev/null | grep -q 'does match'
}

# What reads the files only when it is told to.
reload_programs() {
    result=0
    {%- if web %}
    { nginx -t -q && nginx -s reload; } || result=1
    {%- endif %}
    {%- if turn %}
    systemctl try-restart coturn.service || result=1
    {%- endif %}
    return "$result"
}

# To the server's own user, by the server's own user: the files cannot have another owner. A name that is not covered
# keeps what it has.
give_prosody() {
    container=$(docker ps -q --filter label=com.docker.compose.project={{ site.name }} --filter label=com.docker.compose.service=server) || return 1
    [ -n "$container" ] || { echo 'the server is not running; it gets its certificate when it does' >&2 && return 0; }
    for name in $hosts; do
        covers "$1/fullchain.pem" "$name" || continue
        place=/var/lib/prosody/certs/$name
        ! docker exec "$container" cat "$place.crt" 2>/dev/null | cmp -s - "$1/fullchain.pem" || continue
        : >"$tls/.tell-prosody"
        for kind in key:privkey crt:fullchain; do
            # shellcheck disable=SC2016 # expanded in the container
            docker exec -i "$container" sh -c 'umask 077 && cat >"$1.new" && mv -f "$1.new" "$1"' sh "$place.${kind%:*}" <"$1/${kind#*:}.pem" || return 1
        done
    done
    [ ! -e "$tls/.tell-prosody" ] || { docker exec "$container" prosodyctl reload && rm -f "$tls/.tell-prosody"; }
}

# Who could not be told is told by the next run.
deploy() {
    lineage=${1%/}
    case " $names " in *" ${lineage##*/} "*) ;; *) return 0 ;; esac # another certificate of this host
    failed=0
    mkdir -p "$tls"
    if [ "${lineage##*/}" = "$domain" ]; then
        cmp -s "$lineage/fullchain.pem" "$tls/fullchain.pem" || { : >"$tls/.tell-programs" && put "$lineage"; }
        [ ! -e "$tls/.tell-programs" ] || { reload_programs && rm -f "$tls/.tell-programs"; } || failed=1
    fi
    give_prosody "$lineage" || failed=1
    return "$failed"
}

wrong() {
    echo "$1" >&2
    failed=1
}

# check_shown PROGRAM NAME ADDRESS [OPTION...]: the certificate that a program shows for a name.
check_shown() {
    whose="$1 shows for $2" at=$3 name=$2
    shift 3
    rm -f "$shown"
    timeout 20 openssl s_client -connect "$at" -servername "$name" "$@" </dev/null 2>/dev/null | openssl x509 -out "$shown" 2>/dev/null || :
    if [ ! -s "$shown" ]; then wrong "$whose no certificate at $at" && return; fi
    if ! covers "$shown" "$name"; then
        wrong "$whose a certificate that does not cover it, but: $(openssl x509 -noout -ext subjectAltName -in "$shown" | sed -e 1d -e 's/^ *//' -e 's/DNS://g')"
    elif [ "$(openssl x509 -noout -subject_hash -in "$shown")" = "$(openssl x509 -noout -issuer_hash -in "$shown")" ]; then
        wrong "$whose a self-signed certificate: none came yet; systemctl status {{ site.name }}-certificates says why"
    else
        begin=$(date -d "$(openssl x509 -noout -startdate -in "$shown" | sed 's/.*=//')" +%s)
        end=$(date -d "$(openssl x509 -noout -enddate -in "$shown" | sed 's/.*=//')" +%s)
        # It should have been renewed {% if certificates == "private" %}30 days before{% else %}when two thirds of its time were over{% endif %}.
        left=$(((end - begin) / 5))
        [ "$left" -le 1209600 ] || left=1209600
        [ "$((end - $(date +%s)))" -ge "$left" ] || wrong "$whose a certificate that ends on $(date -u -d "@$end" +%Y-%m-%d) and was not renewed"
    fi
}

{%- capture address %}{% if bind_address == "0.0.0.0" %}127.0.0.1{% elsif bind_address contains ":" %}[{{ bind_address }}]{% else %}{{ bind_address }}{% endif %}{% endcapture %}

check() {
    failed=0
    scratch=$(mktemp -d)
    shown=$scratch/shown
    check_shown Prosody "$domain" {{ address }}:{{ client_port }} -starttls xmpp -xmpphost "$domain"
    {%- if federation %}
    # Other servers alone come to the services' own names.
    for host in $hosts; do
        [ "$host" = "$domain" ] || check_shown Prosody "$host" {{ address }}:{{ server_port }} -starttls xmpp-server -xmpphost "$host"
    done
    {%- endif %}
    {%- if web %}
    check_shown nginx {{ host_name }} 127.0.0.1:443
    {%- endif %}
    rm -rf "$scratch"
    return "$failed"
}
{%- if certificates == "letsencrypt" %}

{%- if certificate_challenge == "http-01" %}

# One name without an address would spoil the certificate of all.
reachable_names() {
    for name in $names; do
        if getent ahosts "$name" >/dev/null; then echo "$name"; else echo "$name has no address in the DNS yet; it is left out" >&2; fi
    done
}
{%- endif %}

# ask LINEAGE NAME...: unless there is one for these names that was asked for in the same way; renewals are asked for like the first.
ask() {
    lineage=$1
    shift
    how='{{ certificate_challenge }} {% if certificate_challenge == "dns-01" %}hook{% elsif web %}webroot{% else %}standalone{% endif %} {{ certificate_server }}'
    domains='' force=''
    for name; do
        domains="$domains --domain $name"
        covers "$live/$lineage/fullchain.pem" "$name" || force=--expand
    done
    [ -e "$tls/.asked-$lineage" ] || echo "$how" >"$tls/.asked-$lineage"
    [ "$(cat "$tls/.asked-$lineage")" = "$how" ] || force=--force-renewal
    [ -n "$force" ] || return 0
    {%- if certificate_challenge == "dns-01" %}
    PROSE_COMPLAINTS=$(mktemp)
    export PROSE_COMPLAINTS
    {%- endif %}
    # shellcheck disable=SC2086 # a list
    certbot certonly --quiet --non-interactive --agree-tos $force {% if certificate_email != "" %}--email {{ certificate_email }}{% else %}--register-unsafely-without-email{% endif %} \
        {% if certificate_server != "" %}--server {{ certificate_server }} {% endif %}
        {%- if certificate_challenge == "dns-01" -%}
        --manual --preferred-challenges dns --manual-auth-hook '/usr/local/sbin/{{ site.name }}-challenge add' --manual-cleanup-hook '/usr/local/sbin/{{ site.name }}-challenge remove'
        {%- elsif web -%}
        --webroot --webroot-path "$web_root"
        {%- else -%}
        --standalone
        {%- endif %} --cert-name "$lineage" $domains ||
        { {% if certificate_challenge == "dns-01" %}sort -u "$PROSE_COMPLAINTS" >&2; rm -f "$PROSE_COMPLAINTS"; {% endif %}echo "no certificate for $*; what was there stays. More in /var/log/letsencrypt/letsencrypt.log" >&2 && return 1; }
    echo "$how" >"$tls/.asked-$lineage"
    {%- if certificate_challenge == "dns-01" %}
    rm -f "$PROSE_COMPLAINTS"
    {%- endif %}
}

issue() {
    mkdir -p "$tls"
    result=0
    {%- if web %}
    mkdir -p "$web_root"
    chmod 0755 "$web_root"
    {%- endif %}
    {%- if one_record %}
    # DuckDNS keeps one record of this kind, so each name has a certificate of its own.
    for lineage in $names; do ask "$lineage" "$lineage" || result=1; done
    {%- elsif certificate_challenge == "dns-01" %}
    # shellcheck disable=SC2086 # a list
    ask "$domain" $names || result=1
    {%- else %}
    wanted=$(reachable_names)
    case "$wanted" in "$domain"*) ;; *) echo "$domain is not in the DNS yet; see \`prose-ship dns\`" >&2 && return 1 ;; esac
    # shellcheck disable=SC2086 # a list
    ask "$domain" $wanted || result=1
    {%- endif %}
    {%- if one_record %}
    for lineage in $names; do [ ! -e "$live/$lineage" ] || deploy "$live/$lineage" || result=1; done
    {%- else %}
    [ ! -e "$live/$domain" ] || deploy "$live/$domain" || result=1
    {%- endif %}
    return "$result"
}
{%- else %}

# make_authority: its key never leaves this host, its certificate is for every client.
make_authority() {
    [ ! -e "$authority/ca.crt" ] || return 0
    mkdir -p "$authority"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -days 7300 -subj "/CN=Authority of {{ site.name }}" \
        -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign \
        -keyout "$authority/ca.key.new" -out "$authority/ca.crt.new" 2>/dev/null
    mv -f "$authority/ca.key.new" "$authority/ca.key"
    mv -f "$authority/ca.crt.new" "$authority/ca.crt"
    echo "made the authority of $domain: $authority/ca.crt is for every client, $authority/ca.key for nobody"
}

is_good() {
    [ "$(openssl x509 -noout -pubkey -in "$1/fullchain.pem" 2>/dev/null)" = "$(openssl pkey -pubout -in "$1/privkey.pem" 2>/dev/null)" ] || return 1
    openssl verify -CAfile "$authority/ca.crt" "$1/fullchain.pem" >/dev/null 2>&1 && openssl x509 -noout -checkend 2592000 -in "$1/fullchain.pem" >/dev/null || return 1
    for name in $names; do
        openssl x509 -noout -checkhost "$name" -in "$1/fullchain.pem" | grep -q 'does match' || return 1
    done
    {%- if ipv4 != "" %}
    openssl x509 -noout -checkip {{ ipv4 }} -in "$1/fullchain.pem" | grep -q 'does match'
    {%- endif %}
}

issue() {
    make_authority
    {%- if web %}
    # For clients to fetch and trust.
    mkdir -p "$web_root"
    chmod 0755 "$web_root"
    install -m 0644 "$authority/ca.crt" "$web_root/ca.crt"
    {%- endif %}
    if ! is_good "$authority/$domain"; then
        mkdir -p "$authority/$domain"
        new=$(mktemp -d "$authority/new.XXXXXX")
        # shellcheck disable=SC2086 # a list
        printf '%s\n' basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature extendedKeyUsage=serverAuth,clientAuth subjectKeyIdentifier=hash authorityKeyIdentifier=keyid "subjectAltName=$(alternatives $names)" >"$new/extensions"
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN={{ site.name }}" -keyout "$new/privkey.pem" -out "$new/request" 2>/dev/null
        # What phones take: at most 398 days.
        openssl x509 -req -sha256 -days 390 -in "$new/request" -CA "$authority/ca.crt" -CAkey "$authority/ca.key" -extfile "$new/extensions" -out "$new/leaf.pem" 2>/dev/null
        cat "$new/leaf.pem" "$authority/ca.crt" >"$new/fullchain.pem"
        mv -f "$new/privkey.pem" "$new/fullchain.pem" "$authority/$domain/"
        rm -rf "$new"
    fi
    deploy "$authority/$domain"
}
{%- endif %}

case ${1:-} in
    placeholder) placeholder ;;
    issue) issue ;;
    deploy) deploy "${2:?}" ;;
    check) check ;;
    *) sed -n 's/^# usage: /usage: /p' "$0" >&2 && exit 2 ;;
esac
