//! Stand-in for prose-pod-api: migrates, waits for the server, configures it, then answers.

mod server;

use std::{ffi::CString, fs, process::exit, time::{Duration, Instant}};

use axum::{http::{header, StatusCode}, response::IntoResponse, routing::get, Router};
use tokio::{net::TcpListener, signal::unix::{signal, SignalKind}, time::sleep};

const DATABASE: &str = "/var/lib/prose-pod-api/database.sqlite";
const SETTINGS: &str = "/etc/prose/prose.toml";
const CONFIGURATION: &str = "/etc/prosody/prosody.cfg.lua";
const VERSION: &str = include_str!("../../service/static/api-version/VERSION");
const COMMIT: &str = include_str!("../../service/static/api-version/COMMIT");
const BUILD_TIMESTAMP: &str = include_str!("../../service/static/api-version/BUILD_TIMESTAMP");
const SERVER_WITHIN: Duration = Duration::from_secs(10);
// Emulated, and on a busy machine, Prosody takes longer than the real one to start again.
const CONFIGURED_WITHIN: Duration = Duration::from_secs(90);

extern "C" {
    fn stand_in_migrate(path: *const std::ffi::c_char, version: *const std::ffi::c_char) -> i32;
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    migrate();
    wait_for_server(SERVER_WITHIN).await;
    configure_server().await;
    let routes = Router::new()
        .route("/health", get(health))
        .route("/healthz", get(health))
        .route("/pod/version", get(pod_version));
    let listener = TcpListener::bind("[::]:8080").await.expect("port 8080 is free");
    let mut ended = signal(SignalKind::terminate()).expect("signals can be caught");
    axum::serve(listener, routes).with_graceful_shutdown(async move { ended.recv().await; }).await.expect("requests can be served");
}

fn migrate() {
    let (path, version) = (CString::new(DATABASE).expect("a path"), CString::new(VERSION.trim()).expect("a version"));
    let count = unsafe { stand_in_migrate(path.as_ptr(), version.as_ptr()) };
    println!("{DATABASE} was migrated by {count} versions");
}

async fn wait_for_server(limit: Duration) {
    let began = Instant::now();
    while !matches!(server::get("/health").await, Ok((200, _))) {
        if began.elapsed() > limit {
            eprintln!("the server did not answer within {} s", limit.as_secs());
            exit(1);
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// Writes Prosody's configuration from Prose's and lets the server take it.
async fn configure_server() {
    let settings = fs::read_to_string(SETTINGS).expect("prose.toml can be read");
    let domain = value(&settings, "server", "domain").expect("prose.toml has server.domain");
    let listen_to_servers = value(&settings, "server.defaults", "federation_enabled").as_deref() == Some("true");
    let disabled = if listen_to_servers { "" } else { "modules_disabled = { \"s2s\" }\n" };
    let text = format!(
        "modules_enabled = {{ \"roster\"; \"saslauth\"; \"tls\"; \"disco\"; \"mam\"; \"pep\"; \"carbons\"; \"bosh\"; \"websocket\"; \"admin_shell\"; \"stand_in\" }}\n{disabled}\
         plugin_paths = {{ \"/usr/local/lib/prosody/modules\" }}\n\
         certificates = \"certs\"\npidfile = \"/run/prosody/prosody.pid\"\nhttp_ports = {{ 5280 }}\nhttp_interfaces = {{ \"*\" }}\nhttps_ports = {{}}\n\
         authentication = \"internal_hashed\"\nlog = {{ {{ levels = {{ min = \"info\" }}, to = \"console\" }} }}\n\
         VirtualHost \"{domain}\"\nComponent \"groups.{domain}\" \"muc\"\nComponent \"upload.{domain}\" \"http_file_share\"\n"
    );
    fs::write(format!("{CONFIGURATION}.new"), text).expect("the configuration can be written");
    fs::rename(format!("{CONFIGURATION}.new"), CONFIGURATION).expect("the configuration can be replaced");
    server::post("/lifecycle/reload").await.expect("the server takes its configuration");
    wait_for_server(CONFIGURED_WITHIN).await;
}

/// `key` of `[section]`, without its quotes.
fn value(toml: &str, section: &str, key: &str) -> Option<String> {
    let mut lines = toml.lines().map(str::trim).skip_while(|line| *line != format!("[{section}]")).skip(1);
    let found = lines.by_ref().take_while(|line| !line.starts_with('[')).find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then(|| value.trim().trim_matches('"').to_owned())
    });
    found
}

async fn health() -> StatusCode {
    match server::get("/health").await {
        Ok((200, _)) => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn pod_version() -> impl IntoResponse {
    let server = server::get("/version").await.map(|(_, body)| body).unwrap_or_else(|_| "null".to_owned());
    let (version, commit, built) = (VERSION.trim(), COMMIT.trim(), BUILD_TIMESTAMP.trim());
    let day = built.split('T').next().unwrap_or_default();
    let short: String = commit.chars().take(7).collect();
    let api = format!(r#"{{"version":"{version}","tag":"v{version}","build_date":"{day}","build_timestamp":"{built}","commit_short":"{short}","commit_long":"{commit}"}}"#);
    ([(header::CONTENT_TYPE, "application/json")], format!(r#"{{"api":{api},"server":{server}}}"#))
}
