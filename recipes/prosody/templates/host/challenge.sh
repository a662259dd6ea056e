#!/bin/sh
# Rendered by prose-ship: change the recipe or the site, not this file.
# Puts what the certificate authority wants to see into the DNS, and takes it away again; certbot's hook.
# usage: {{ site.name }}-challenge add | remove, with CERTBOT_DOMAIN and CERTBOT_VALIDATION in the environment
set -eu
umask 077
# certbot keeps to itself what a hook complains of.
[ -z "${PROSE_COMPLAINTS:-}" ] || exec 2>>"$PROSE_COMPLAINTS"
record=_acme-challenge.${CERTBOT_DOMAIN:?certbot sets it}
value=${CERTBOT_VALIDATION:?certbot sets it}
case $1 in add | remove) ;; *) exit 2 ;; esac
case $record$value in *[!A-Za-z0-9._-]*) echo 'that is no name and no value of certbot' >&2 && exit 1 ;; esac
{%- if challenge_command != "" %}
{%- if challenge_token %}
TOKEN_FILE={{ 'challenge_token' | secret_file }}
export TOKEN_FILE
{%- endif %}
{{ challenge_command }} "$1" "$record" "$value"
{%- else %}
{%- assign secret = "challenge_token" %}
{%- if challenge_url == "" %}{% assign secret = "ddns_token" %}{% endif %}
{%- if challenge_url == "" or challenge_token %}
token=$(cat {{ secret | secret_file }})
case $token in
    '' | *[!A-Za-z0-9._~=+/@%^*-]*) echo 'the secret {{ secret }} holds characters that would have to be quoted; choose another one' >&2 && exit 1 ;;
esac
# A bare plus would be a space.
token=$(printf %s "$token" | sed -e 's/%/%25/g' -e 's/+/%2B/g' -e 's/\^/%5E/g')
{%- endif %}
{%- if challenge_url == "" %}
{%- assign label = host_name | replace: ".duckdns.org", "" | split: "." | last %}
# It answers so for every name below its own, too.
url="${PROSE_DDNS_URL:-https://www.duckdns.org}/update?domains={{ label }}&token=$token&txt=$value"
[ "$1" = add ] || url="$url&clear=true"
good='^OK'
{%- else %}
url='{{ challenge_url | replace: "'", "%27" }}'
[ "$1" = add ] || url='{{ challenge_clear_url | replace: "'", "%27" }}'
[ -n "$url" ] || exit 0
case $url in *NAME*) url=${url%%NAME*}$record${url#*NAME} ;; esac
{%- if challenge_token %}
case $url in *TOKEN*) url=${url%%TOKEN*}$token${url#*TOKEN} ;; esac
{%- endif %}
case $url in *VALUE*) url=${url%%VALUE*}$value${url#*VALUE} ;; esac
good=''
{%- endif %}

# The token reaches curl through a file descriptor: in no arguments, no environment, no file.
answer=$(printf 'url = "%s"\n' "$url" | curl --config - --silent --show-error --fail --proto '=https' --tlsv1.2 --max-time 30 --retry 2 --user-agent 'prose-ship/{{ recipe.version }} {{ site.name }}')
if ! printf '%s\n' "$answer" | grep -Eq "$good"; then
    # Its first word alone: an answer may repeat the question.
    word=${answer%%[!A-Za-z]*}
    printf 'the provider refused: %.40s\n' "${word:-an empty answer}" >&2
    exit 1
fi
{%- endif %}

# Until the provider's name servers all answer so; once, after the last name.
if [ "$1" = add ] && [ "${CERTBOT_REMAINING_CHALLENGES:-0}" = 0 ]; then sleep {{ challenge_seconds }}; fi
