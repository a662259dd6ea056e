#!/bin/sh
# Rendered by prose-ship: change the recipe or the site, not this file.
# The authority of this host: it signs the certificate of {{ site.domain }}, and can sign for nobody else.
# usage: {{ site.name }}-authority sign | renew
#   sign    makes the authority where there is none; signs a certificate where none fits or it ends within 30 days
#   renew   signs a new one, whatever the old one is like
set -eu
umask 077
domain={{ site.domain }}
names='{{ site.domain }}{% if host_name != site.domain %} {{ host_name }}{% endif %}{% if rooms %} {{ rooms_domain }}{% endif %}{% if proxy65 %} {{ proxy65_domain }}{% endif %}{% if pubsub %} {{ pubsub_domain }}{% endif %}'
address='{{ ipv4 }}'
authority=${PROSE_AUTHORITY:-/etc/prose/authority}
leaf=$authority/$domain
{%- if web %}
web_root=${PROSE_WEB_ROOT:-/var/www/{{ site.name }}}
{%- endif %}

# What it may sign is written into its certificate (RFC 5280, 4.2.1.10): a client that trusts it trusts it for these names alone.
constraints() {
    list="critical,permitted;DNS:$domain"
    for name in $names; do
        case $name in "$domain" | *".$domain") ;; *) list="$list,permitted;DNS:$name" ;; esac
    done
    if [ -n "$address" ]; then
        echo "$list,permitted;IP:$address/255.255.255.255"
    else
        echo "$list,excluded;IP:0.0.0.0/0.0.0.0,excluded;IP:0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0"
    fi
}

# Its key never leaves this host, its certificate is for every client.
create() {
    [ ! -e "$authority/ca.crt" ] || return 0
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -days 7300 -subj "/CN=Authority of {{ site.name }}" \
        -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign \
        -addext "nameConstraints=$(constraints)" -keyout "$authority/ca.key.new" -out "$authority/ca.crt.new" 2>/dev/null
    mv -f "$authority/ca.key.new" "$authority/ca.key"
    mv -f "$authority/ca.crt.new" "$authority/ca.crt"
    echo "made the authority of $domain: $authority/ca.crt is for every client, $authority/ca.key for nobody"
}

permits() {
    openssl x509 -noout -ext nameConstraints -in "$authority/ca.crt" 2>/dev/null | sed -n 's/^ *\(DNS:\|IP:\)/\1/p'
}

# The address, where the authority may sign for it: one that it may not would spoil the names, too.
signed_address() {
    [ -n "$address" ] || return 0
    case $(permits) in
        *"IP:$address/255.255.255.255"*) echo "$address" ;;
        *IP:*) echo "the authority is for another address than $address: names are trusted, https://$address is not" >&2 ;;
        *) echo "$address" ;;
    esac
}

# Clients see the end of what they hold; the authority itself is theirs for 20 years.
is_good() {
    [ "$(openssl x509 -noout -pubkey -in "$leaf/fullchain.pem" 2>/dev/null)" = "$(openssl pkey -pubout -in "$leaf/privkey.pem" 2>/dev/null)" ] || return 1
    openssl verify -CAfile "$authority/ca.crt" "$leaf/fullchain.pem" >/dev/null 2>&1 && openssl x509 -noout -checkend 2592000 -in "$leaf/fullchain.pem" >/dev/null || return 1
    for name in $names; do
        openssl x509 -noout -checkhost "$name" -in "$leaf/fullchain.pem" | grep -q 'does match' || return 1
    done
    [ -z "$1" ] || openssl x509 -noout -checkip "$1" -in "$leaf/fullchain.pem" | grep -q 'does match'
}

# sign_leaf ADDRESS
sign_leaf() {
    alternatives=
    for name in $names; do alternatives="$alternatives${alternatives:+,}DNS:$name"; done
    mkdir -p "$leaf"
    new=$(mktemp -d "$authority/new.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    printf '%s\n' basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature extendedKeyUsage=serverAuth,clientAuth subjectKeyIdentifier=hash authorityKeyIdentifier=keyid "subjectAltName=$alternatives${1:+,IP:$1}" >"$new/extensions"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN={{ site.name }}" -keyout "$new/privkey.pem" -out "$new/request" 2>/dev/null
    # What phones take: at most 398 days.
    openssl x509 -req -sha256 -days 390 -in "$new/request" -CA "$authority/ca.crt" -CAkey "$authority/ca.key" -extfile "$new/extensions" -out "$new/leaf.pem" 2>/dev/null
    if ! openssl verify -no_check_time -CAfile "$authority/ca.crt" "$new/leaf.pem" >/dev/null 2>&1; then
        echo "the authority may not sign for $names, only for $(permits | tr '\n' ' ')" >&2
        echo "move $authority away, and the next run makes another one, which every client must be given" >&2
        return 1
    fi
    cat "$new/leaf.pem" "$authority/ca.crt" >"$new/fullchain.pem"
    mv -f "$new/privkey.pem" "$new/fullchain.pem" "$leaf/"
    ln -sfn "$domain" "$authority/signed"
    echo "signed a certificate of $domain until $(openssl x509 -noout -enddate -in "$leaf/fullchain.pem" | sed 's/notAfter=//')"
}

# uuid PURPOSE: the same for the same authority (RFC 9562, version 8), so that a profile which is installed twice is one.
uuid() {
    printf '%s %s' "$1" "$fingerprint" | sha256sum | sed 's/^\(.\{8\}\)\(.\{4\}\).\(.\{3\}\).\(.\{3\}\)\(.\{12\}\).*/\1-\2-8\3-8\4-\5/'
}

apple_profile() {
    cat <<PROFILE
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>PayloadType</key><string>Configuration</string>
  <key>PayloadVersion</key><integer>1</integer>
  <key>PayloadIdentifier</key><string>{{ site.domain }}.authority</string>
  <key>PayloadUUID</key><string>$(uuid profile)</string>
  <key>PayloadDisplayName</key><string>Chat server {{ site.domain }}</string>
  <key>PayloadDescription</key><string>Trusts the authority that signs for {{ site.domain }}. Its SHA-256 fingerprint: $fingerprint</string>
  <key>PayloadContent</key>
  <array>
    <dict>
      <key>PayloadType</key><string>com.apple.security.root</string>
      <key>PayloadVersion</key><integer>1</integer>
      <key>PayloadIdentifier</key><string>{{ site.domain }}.authority.certificate</string>
      <key>PayloadUUID</key><string>$(uuid certificate)</string>
      <key>PayloadDisplayName</key><string>Authority of {{ site.name }}</string>
      <key>PayloadCertificateFileName</key><string>ca.crt</string>
      <key>PayloadContent</key>
      <data>$(openssl x509 -outform DER -in "$authority/ca.crt" | openssl base64 -A)</data>
    </dict>
  </array>
</dict>
</plist>
PROFILE
}
{%- if web %}

page() {
    cat <<PAGE
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ site.domain }}</title>
<h1>{{ site.domain }}</h1>
<p>This device needs the server's certificate before it can log in. It holds for the names of this server alone.
<p><a href="/ca.mobileconfig">iPhone, iPad, Mac</a>
<p><a href="/ca.crt">Android, Windows, Linux</a>
<p>Its SHA-256 fingerprint. Ask whoever runs the server whether it is the right one:
<p><code>$(echo "$fingerprint" | sed 's/:/:<wbr>/g')</code>
</html>
PAGE
}
{%- endif %}

# What people take away; nothing of it is secret.
publish() {
    fingerprint=$(openssl x509 -noout -fingerprint -sha256 -in "$authority/ca.crt" | sed 's/.*=//')
    apple_profile >"$authority/ca.mobileconfig"
    {%- if web %}
    # Who does not trust the authority yet cannot come by HTTPS.
    mkdir -p "$web_root"
    chmod 0755 "$web_root"
    page >"$authority/ca.html"
    for file in ca.crt ca.mobileconfig ca.html; do install -m 0644 "$authority/$file" "$web_root/$file"; done
    echo "http://${address:-{{ host_name }}}/ca.html" >"$authority/published"
    {%- else %}
    rm -f "$authority/published"
    {%- endif %}
}

case ${1:-} in
    sign | renew)
        mkdir -p "$authority"
        exec 9>"$authority/.lock"
        flock 9
        create
        publish
        for_address=$(signed_address)
        if [ "$1" = renew ] || ! is_good "$for_address"; then sign_leaf "$for_address"; fi
        ;;
    *) sed -n 's/^# usage: /usage: /p' "$0" >&2 && exit 2 ;;
esac
