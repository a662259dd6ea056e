#!/bin/sh
# Rendered by prose-ship: change the recipe or the site, not this file.
# Writes what coturn reads when it starts: the settings with the secret and this host's addresses, and the certificate.
set -eu
umask 077
run=${PROSE_TURN_RUN:-/run/{{ site.name }}-turn}
settings=${PROSE_TURN_SETTINGS:-/etc/{{ site.name }}-turn.conf}
secret=${PROSE_TURN_SECRET:-{{ 'turn_secret' | secret_file }}}
tls=${PROSE_TLS:-/etc/prose/tls}/{{ site.domain }}

# Asks the routing table, sends nothing: the address from which this host reaches the internet.
local_address() {
    ip -o "$1" route get "$2" 2>/dev/null | sed -n 's/.* src \([0-9a-f.:]*\).*/\1/p'
}

{
    cat "$settings"
    # The shell's own printf: the secret is in no process's arguments.
    printf 'static-auth-secret=%s\n' "$(cat "$secret")"
    own=$(local_address -4 192.0.2.1)
    {%- if ipv4 != "" %}
    public={{ ipv4 }}
    {%- else %}
    public=$(getent ahostsv4 {{ host_name }} | sed -n '1s/ .*//p')
    {%- endif %}
    if [ -n "$own" ]; then
        printf 'listening-ip=%s\nrelay-ip=%s\nallowed-peer-ip=%s\n' "$own" "$own" "$own"
        if [ -n "$public" ] && [ "$public" != "$own" ]; then printf 'external-ip=%s/%s\n' "$public" "$own"; fi
    fi
    {%- if ipv6 != "" %}
    if ip -o -6 addr show to {{ ipv6 }} 2>/dev/null | grep -q .; then printf 'listening-ip=%s\nrelay-ip=%s\n' {{ ipv6 }} {{ ipv6 }}; fi
    {%- endif %}
    if [ -e "$tls/fullchain.pem" ]; then
        cp "$tls/fullchain.pem" "$tls/privkey.pem" "$run/"
        printf 'cert=%s\npkey=%s\n' "$run/fullchain.pem" "$run/privkey.pem"
    fi
} >"$run/turnserver.conf.new"
mv -f "$run/turnserver.conf.new" "$run/turnserver.conf"
# Its user is whoever owns the folder.
chown -R --reference="$run" "$run"
