-- Stand-in: what the server runs with until the api brings the real configuration. It serves nobody's domain.
modules_enabled = { "tls"; "saslauth"; "disco" }
certificates = "certs"
pidfile = "/run/prosody/prosody.pid"
log = { { levels = { min = "info" }, to = "console" } }
VirtualHost "bootstrap.invalid"
