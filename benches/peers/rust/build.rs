//! Which compiler, for the table.

use std::process::Command;

fn main() {
    let rustc = std::env::var("RUSTC").unwrap_or("rustc".into());
    let said = Command::new(rustc).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let version = String::from_utf8_lossy(&said).split(' ').nth(1).unwrap_or("?").to_owned();
    println!("cargo::rustc-env=RUST_VERSION={version}");
    println!("cargo::rerun-if-changed=build.rs");
}
