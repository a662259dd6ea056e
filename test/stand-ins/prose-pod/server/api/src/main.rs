//! Stand-in for prose-pod-server: runs Prosody and tells how it is.

use std::{env, fs, io::Read, path::Path, sync::Arc, time::Duration};

use axum::{extract::State, http::StatusCode, routing::{get, post}, Router};
use tokio::{net::{TcpListener, TcpStream}, process::{Child, Command}, signal::unix::{signal, SignalKind}, sync::{mpsc, RwLock}, time::sleep};

const BOOTSTRAP: &str = "/usr/share/prose/prosody.bootstrap.cfg.lua";
const CONFIGURATION: &str = "/etc/prosody/prosody.cfg.lua";
const SALT: &str = "/var/lib/prose-pod-server/salt";

#[derive(Clone, Copy, PartialEq)]
enum Phase { Starting, Restarting, Running }

#[derive(Clone)]
struct Server { phase: Arc<RwLock<Phase>>, restart: mpsc::Sender<()> }

#[tokio::main(flavor = "current_thread")]
async fn main() {
    make_salt().expect("the salt can be written");
    // Every start forgets the real configuration until the api brings it again.
    fs::copy(BOOTSTRAP, CONFIGURATION).expect("the bootstrap configuration can be copied");
    let phase = Arc::new(RwLock::new(Phase::Starting));
    let (restart, mut restarts) = mpsc::channel(1);
    let routes = Router::new()
        .route("/health", get(health))
        .route("/version", get(|| async { version() }))
        .route("/lifecycle/reload", post(reload))
        .with_state(Server { phase: phase.clone(), restart });
    let listener = TcpListener::bind("[::]:8080").await.expect("port 8080 is free");
    tokio::spawn(async move { axum::serve(listener, routes).await });

    let mut ended = signal(SignalKind::terminate()).expect("signals can be caught");
    let mut prosody = start();
    loop {
        tokio::select! {
            _ = ended.recv() => return stop(prosody).await,
            status = prosody.wait() => { eprintln!("Prosody ended: {status:?}"); std::process::exit(1) }
            _ = restarts.recv() => {
                stop(prosody).await;
                prosody = start();
            }
            _ = answers(), if *phase.read().await != Phase::Running => *phase.write().await = Phase::Running,
        }
    }
}

/// Something that a backup must hold: made once, at the first start.
fn make_salt() -> std::io::Result<()> {
    if Path::new(SALT).exists() { return Ok(()); }
    let mut salt = [0u8; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut salt)?;
    fs::write(SALT, salt.map(|byte| format!("{byte:02x}")).concat())
}

fn start() -> Child {
    Command::new("prosody").arg("-F").kill_on_drop(true).spawn().expect("Prosody can be started")
}

async fn stop(mut prosody: Child) {
    if let Some(pid) = prosody.id() {
        let _ = Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().await;
    }
    let _ = prosody.wait().await;
}

/// Ends when Prosody has answered for as long as it is told to take, 2 seconds by default: the 425 phase.
async fn answers() {
    let seconds = env::var("STAND_IN_STARTING_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    sleep(Duration::from_secs(seconds)).await;
    while TcpStream::connect("127.0.0.1:5222").await.is_err() { sleep(Duration::from_millis(200)).await }
}

async fn health(State(server): State<Server>) -> (StatusCode, [(&'static str, &'static str); 1], &'static str) {
    let (status, body) = match *server.phase.read().await {
        Phase::Starting => (StatusCode::from_u16(425).expect("425 is a status"), "SERVER_STARTING"),
        Phase::Restarting => (StatusCode::from_u16(425).expect("425 is a status"), "SERVER_RESTARTING"),
        Phase::Running => (StatusCode::OK, "OK"),
    };
    (status, [("retry-after", "1")], body)
}

async fn reload(State(server): State<Server>) -> StatusCode {
    *server.phase.write().await = Phase::Restarting;
    let _ = server.restart.send(()).await;
    StatusCode::ACCEPTED
}

fn version() -> String {
    let field = |name: &str| fs::read_to_string(format!("/usr/lib/prosody/prose.version.d/{name}")).unwrap_or_default().trim().to_owned();
    let (version, commit, built) = (field("VERSION"), field("COMMIT"), field("BUILD_TIMESTAMP"));
    let day = built.split('T').next().unwrap_or_default();
    let short: String = commit.chars().take(7).collect();
    format!(r#"{{"version":"{version}","tag":"v{version}","build_date":"{day}","build_timestamp":"{built}","commit_short":"{short}","commit_long":"{commit}"}}"#)
}
