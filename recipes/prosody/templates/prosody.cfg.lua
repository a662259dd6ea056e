-- Rendered by prose-ship: change the recipe or the site, not this file.

admins = {{ admins | lua }}
{%- if contact != empty %}
contact_info = { admin = {{ contact | lua }}, abuse = {{ contact | lua }} }
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
}
{%- unless federation %}
modules_disabled = { "s2s" }
{%- endunless %}

-- Accounts are made by the operator; "register" is there for changing one's password.
allow_registration = false
authentication = "internal_hashed"
storage = "internal"
archive_expires_after = "{{ archive_days }}d"

certificates = "/var/lib/prosody/certs"
c2s_require_encryption = true
s2s_require_encryption = true
s2s_secure_auth = true

limits = {
    c2s = { rate = "10kb/s" };
    s2sin = { rate = "30kb/s" };
}

pidfile = "/run/prosody/prosody.pid"
log = { { levels = { min = {{ log_level | lua }} }, to = "console" } }

VirtualHost {{ site.domain | lua }}
{%- if rooms %}

Component {{ rooms_domain | lua }} "muc"
    name = "Group chats"
    modules_enabled = { "muc_mam" }
    restrict_room_creation = "local"
{%- endif %}
