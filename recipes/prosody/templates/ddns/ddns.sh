#!/bin/sh
# Rendered by prose-ship: change the recipe or the site, not this file.
# Tells the provider the address of this host, as the provider sees it. Exit status 1 when it did not take it.
set -eu
umask 077
token_file=${PROSE_DDNS_TOKEN:-{{ 'ddns_token' | secret_file }}}
token=$(cat "$token_file")
case $token in
    '' | *[!A-Za-z0-9._~=+/@%^*-]*) echo 'the secret ddns_token holds characters that would have to be quoted; choose another password' >&2 && exit 1 ;;
esac
{%- case ddns_provider %}
{%- when "duckdns" %}
{%- assign label = host_name | replace: ".duckdns.org", "" | split: "." | last %}
url="${PROSE_DDNS_URL:-https://www.duckdns.org}/update?domains={{ label }}&token=$token&ip="
good='^OK'
{%- when "noip" %}
url="${PROSE_DDNS_URL:-https://dynupdate.no-ip.com}/nic/update?hostname={{ host_name }}"
good='^(good|nochg)'
{%- when "dynu" %}
url="${PROSE_DDNS_URL:-https://api.dynu.com}/nic/update?hostname={{ host_name }}"
good='^(good|nochg)'
{%- when "freedns" %}
url="${PROSE_DDNS_URL:-https://sync.afraid.org}/u/$token/"
good='^(Updated|No IP change)'
{%- when "url" %}
url='{{ ddns_url | replace: "'", "%27" }}'
case $url in *TOKEN*) url=${url%%TOKEN*}$token${url#*TOKEN} ;; esac
good=''
{%- endcase %}

# The token reaches curl through a file descriptor: in no arguments, no environment, no file.
answer=$(
    {
        printf 'url = "%s"\n' "$url"
        {%- if ddns_provider == "noip" or ddns_provider == "dynu" %}
        printf 'user = "%s:%s"\n' '{{ ddns_user | replace: "'", "" }}' "$token"
        {%- elsif ddns_provider == "url" and ddns_user != "" %}
        printf 'user = "%s:%s"\n' '{{ ddns_user | replace: "'", "" }}' "$token"
        {%- endif %}
    } | curl --config - --silent --show-error --fail --proto '=https' --tlsv1.2 --max-time 30 --retry 2 --user-agent 'prose-ship/{{ recipe.version }} {{ site.name }}'
)
if ! printf '%s\n' "$answer" | grep -Eq "$good"; then
    # Its first word alone: an answer may repeat the question.
    word=${answer%%[!A-Za-z]*}
    printf 'the provider refused: %.40s\n' "${word:-an empty answer}" >&2
    exit 1
fi
{%- if turn %}

# coturn tells callers the address that it had when it started.
address=$(getent ahostsv4 {{ host_name }} | sed -n '1s/ .*//p')
state=${RUNTIME_DIRECTORY:?systemd sets it}
if [ -n "$address" ] && [ "$address" != "$(cat "$state/address" 2>/dev/null)" ]; then
    printf '%s\n' "$address" >"$state/address"
    systemctl try-restart coturn.service
fi
{%- endif %}
