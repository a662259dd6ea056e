-- Rendered by prose-ship: change the recipe or the site, not this file.

admins = {{ admins | lua }}
{%- if contact != empty %}
contact_info = { admin = {{ contact | lua }}, abuse = {{ contact | lua }}{% if site.profile != "basic" %}, security = {{ contact | lua }}, support = {{ contact | lua }}{% endif %} }
{%- endif %}

modules_enabled = {
    "disco"; "roster"; "saslauth"; "tls";
    -- What today's clients expect (XEP-0479, compliance suites).
    "blocklist"; "bookmarks"; "carbons"; "cloud_notify"; "csi_simple"; "mam"; "pep"; "private"; "smacks"; "vcard4"; "vcard_legacy";
    "account_activity"; "ping"; "register"; "server_contact_info"; "time"; "tombstones"; "uptime"; "version";
    "limits";
    -- `prosodyctl shell`, by which accounts are made.
    "admin_shell";
    {%- if federation %}
    "dialback"; "s2s_bidi";
    {%- endif %}
    {%- if site.profile != "basic" %}
    "announce"; "admin_adhoc";
    {%- endif %}
    {%- if registration == "invites" %}
    "invites"; "invites_adhoc"; "invites_register";
    {%- endif %}
    {%- if registration != "closed" %}
    "watchregistrations";
    {%- endif %}
    {%- if welcome_message != "" %}
    "welcome";
    {%- endif %}
    {%- if login_message != "" %}
    "motd";
    {%- endif %}
    {%- if web %}
    "bosh"; "websocket";
    {%- endif %}
    {%- if turn %}
    "turn_external";
    {%- endif %}
}
{%- unless federation %}
modules_disabled = { "s2s" }
{%- endunless %}
{%- if registration == "closed" %}

-- Accounts are made by the operator; "register" is there for changing one's password.
allow_registration = false
{%- else %}

allow_registration = true
{%- if registration == "invites" %}
registration_invite_only = true
{%- else %}
registration_throttle_max = 3
registration_throttle_period = "1h"
{%- endif %}
{%- if registration_watchers != empty %}
registration_watchers = {{ registration_watchers | lua }}
{%- endif %}
{%- endif %}
{%- if welcome_message != "" %}
welcome_message = {{ welcome_message | lua }}
{%- endif %}
{%- if login_message != "" %}
motd_text = {{ login_message | lua }}
{%- endif %}
authentication = "internal_hashed"
storage = {% if storage == "internal" %}"internal"{% else %}"sql"{% endif %}
{%- if storage == "sqlite" %}
sql = { driver = "SQLite3", database = "prosody.sqlite" }
{%- elsif storage == "postgresql" %}
-- Its password is in PGPASSFILE: what stands here is part of debugging messages.
sql = { driver = "PostgreSQL", {% if database_host == "" %}host = "database", port = 5432{% else %}host = {{ database_host | lua }}, port = {{ database_port }}{% endif %}, database = {{ database_name | lua }}, username = {{ database_user | lua }} }
{%- endif %}
archive_expires_after = "{{ archive_days }}d"
{%- if site.profile == "shared" %}

-- Where they are is known on the host alone: run.sh says it.
data_path = ENV_PROSE_SHIP_DATA
certificates = ENV_PROSE_SHIP_CERTIFICATES
ssl = { cafile = ENV_PROSE_SHIP_TREE .. "/etc/ssl/certs/ca-certificates.crt" }
interfaces = { {{ bind_address | lua }}{% if bind_address == "0.0.0.0" %}, "::"{% endif %} }
c2s_ports = { {{ client_port }} }
{%- if federation %}
s2s_ports = { {{ server_port }} }
{%- endif %}
{%- else %}

certificates = "/var/lib/prosody/certs"
{%- endif %}
c2s_require_encryption = true
s2s_require_encryption = true
s2s_secure_auth = true

limits = {
    c2s = { rate = "{{ client_kilobytes }}kb/s"{% if site.profile != "basic" %}, burst = "2s"{% endif %} };
    s2sin = { rate = "{{ server_kilobytes }}kb/s"{% if site.profile != "basic" %}, burst = "5s"{% endif %} };
}
{%- if site.profile != "basic" %}
pep_max_items = 10000
smacks_hibernation_time = "1 day"
{%- endif %}
{%- if push_with_body %}
push_notification_with_body = true
{%- endif %}
{%- if push_with_sender %}
push_notification_with_sender = true
{%- endif %}
{%- if direct_tls %}
c2s_direct_tls_ports = { {% if site.profile == "shared" %}{{ direct_tls_port }}{% else %}5223{% endif %} }
{%- endif %}
{%- if web %}

-- nginx on the host comes through the engine's own network; nobody else reaches this port.
http_ports = { 5280 }
http_interfaces = { "*" }
https_ports = {}
http_external_url = {{ host_name | prepend: "https://" | append: "/" | lua }}
trusted_proxies = { "127.0.0.1", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7" }
{%- endif %}
{%- if turn %}

turn_external_host = {{ host_name | lua }}
turn_external_port = {{ turn_port }}
turn_external_tcp = true
turn_external_secret = FileLine("/run/secrets/turn_secret")
-- Prosody 13.0 names the port with TLS without the credentials that it takes; so it is named here.
external_services = { { type = "turns", transport = "tcp", host = {{ host_name | lua }}, port = {{ turn_tls_port }}, secret = turn_external_secret } }
{%- endif %}
{%- if proxy65 %}
proxy65_ports = { {% if site.profile == "shared" %}{{ proxy65_port }}{% else %}5000{% endif %} }
{%- endif %}

pidfile = {% if site.profile == "shared" %}ENV_PROSE_SHIP_SERVICE .. "/run/prosody.pid"{% else %}"/run/prosody/prosody.pid"{% endif %}
log = { { levels = { min = {{ log_level | lua }} }, to = "console" } }

VirtualHost {{ site.domain | lua }}
{%- if rooms %}

Component {{ rooms_domain | lua }} "muc"
    name = "Group chats"
    modules_enabled = { "muc_mam" }
    restrict_room_creation = "local"
{%- endif %}
{%- if uploads %}

Component {{ uploads_domain | lua }} "http_file_share"
    name = "File uploads"
    http_file_share_size_limit = {{ upload_megabytes }} * 1024 * 1024
    http_file_share_daily_quota = {{ upload_daily_megabytes }} * 1024 * 1024
    http_file_share_global_quota = {{ upload_total_megabytes }} * 1024 * 1024
    http_file_share_expires_after = "{{ upload_days }}d"
    http_file_share_access = { {{ site.domain | lua }} }
    {%- if federation %}
    -- For people of this server alone, so it needs no certificate.
    modules_disabled = { "s2s" }
    {%- endif %}
{%- endif %}
{%- if proxy65 %}

Component {{ proxy65_domain | lua }} "proxy65"
    name = "File proxy"
    proxy65_address = {{ host_name | lua }}
    proxy65_acl = { {{ site.domain | lua }} }
{%- endif %}
{%- if pubsub %}

Component {{ pubsub_domain | lua }} "pubsub"
    name = "Publish-subscribe"
    pubsub_max_items = 10000
{%- endif %}
