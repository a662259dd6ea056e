#!/bin/sh
# Makes a self-signed certificate for each domain in PROSE_SHIP_DOMAINS (space-separated) that has none; a certificate that is
# there, whoever made it, is never touched. Writes the password in the file PROSE_SHIP_PGPASSWORD_FILE into PGPASSFILE, for any
# PostgreSQL server, and waits a minute until PROSE_SHIP_WAIT_FOR (HOST:PORT) answers, each where it is set. Then runs the command.
set -eu
umask 077

certificates=${PROSE_SHIP_CERTIFICATES:-/var/lib/prosody/certs}

fail() {
    echo "entrypoint: $1" >&2
    exit 1
}

# The key is moved into place first: a crash in between leaves no certificate, so the next start makes both anew.
make_certificate() {
    domain=$1
    subject=/
    # A common name holds at most 64 characters (RFC 5280, ub-common-name); clients look at the subjectAltName.
    [ "${#domain}" -gt 64 ] || subject="/CN=$domain"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -sha256 -days 3650 \
        -subj "$subject" -addext "subjectAltName=DNS:$domain" \
        -keyout "$certificates/.$domain.key.new" -out "$certificates/.$domain.crt.new" 2>/dev/null ||
        fail "cannot make a certificate for '$domain' in $certificates"
    chmod 0600 "$certificates/.$domain.key.new"
    chmod 0644 "$certificates/.$domain.crt.new"
    # A name that reaches the disk before its file does is an empty file after a power cut.
    sync "$certificates/.$domain.key.new" "$certificates/.$domain.crt.new"
    mv -f "$certificates/.$domain.key.new" "$certificates/$domain.key"
    mv -f "$certificates/.$domain.crt.new" "$certificates/$domain.crt"
    sync "$certificates"
    echo "entrypoint: made a self-signed certificate for $domain"
}

# Nobody's key: what an older version of this left after a power cut.
is_empty() {
    [ -e "$1" ] && [ ! -s "$1" ]
}

mkdir -p "$certificates"
for domain in ${PROSE_SHIP_DOMAINS:-}; do
    case $domain in
        .* | -* | *[!A-Za-z0-9.-]*) fail "PROSE_SHIP_DOMAINS: '$domain' is not a domain name" ;;
    esac
    if [ ! -s "$certificates/$domain.crt" ] || is_empty "$certificates/$domain.key"; then
        make_certificate "$domain"
    elif [ ! -e "$certificates/$domain.key" ]; then
        fail "$certificates/$domain.crt has no key beside it; put $domain.key there, or delete the certificate"
    fi
done

if [ -n "${PROSE_SHIP_PGPASSWORD_FILE:-}" ]; then
    password=$(sed 's/[\\:]/\\&/g' "$PROSE_SHIP_PGPASSWORD_FILE") || fail "the password of the database is missing: $PROSE_SHIP_PGPASSWORD_FILE"
    printf '*:*:*:*:%s\n' "$password" >"${PGPASSFILE:?}"
fi

# A minute is no promise: the server asks its database again whenever it needs it.
if [ -n "${PROSE_SHIP_WAIT_FOR:-}" ]; then
    # shellcheck disable=SC2016 # expanded by bash, whose /dev/tcp this is
    timeout 60 bash -c 'until (exec 3<>"/dev/tcp/$0/$1") 2>/dev/null; do sleep 0.5; done' "${PROSE_SHIP_WAIT_FOR%:*}" "${PROSE_SHIP_WAIT_FOR##*:}" ||
        echo "entrypoint: $PROSE_SHIP_WAIT_FOR does not answer; starting without it" >&2
fi

exec "$@"
