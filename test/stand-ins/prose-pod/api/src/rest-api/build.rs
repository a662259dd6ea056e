//! C for the target, against the target's own SQLite: what the real one's dependencies do, too.
fn main() {
    let sqlite = pkg_config::probe_library("sqlite3").expect("libsqlite3-dev of the target");
    cc::Build::new().file("src/migrate.c").includes(sqlite.include_paths).compile("migrate");
    println!("cargo:rustc-link-lib=sqlite3");
    println!("cargo:rerun-if-changed=src/migrate.c");
}
