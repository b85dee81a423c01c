//! The nginx that the gateway is compared with: one worker, connections to the service kept open, no log.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, ensure};
use tokio::{
    net::TcpStream,
    process::Command,
    time::{Instant, sleep},
};

use super::CORE;
use crate::{child::Process, context::Bench};

const START_LIMIT: Duration = Duration::from_secs(20);

pub(super) struct Nginx {
    pub(super) process: Process,
    pub(super) address: String,
}

/// Starts one in front of `upstream`.
pub(super) async fn start(bench: &Bench, upstream: &str) -> Result<Nginx> {
    let folder = bench.folder("nginx")?;
    let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let place = folder.display();
    let temporary =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("  {kind}_temp_path {place}/{kind};\n")).concat();
    let configuration = format!(
        "daemon off;\nmaster_process off;\nworker_processes 1;\npid {place}/pid;\nerror_log stderr warn;\nevents {{ worker_connections 1024; }}\n\
         http {{\n{temporary}  access_log off;\n  keepalive_requests 1000000000;\n  upstream service {{ server {upstream}; keepalive 64; keepalive_requests 1000000000; }}\n  \
         server {{\n    listen {address};\n    location / {{\n      proxy_pass http://service;\n      proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      \
         proxy_set_header Host $http_host;\n      proxy_set_header X-Forwarded-For $remote_addr;\n      proxy_set_header X-Forwarded-Proto $scheme;\n    }}\n  }}\n}}\n"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration)?;
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", CORE, "nginx", "-p"]).arg(&folder).arg("-c").arg(&file).stderr(bench.log_file("nginx")?);
    let process = Process::spawn_without_output("nginx", command.env("PATH", path()?).stdout(std::process::Stdio::null()))?;
    let mut nginx = Nginx { process, address };
    let deadline = Instant::now() + START_LIMIT;
    while TcpStream::connect(&nginx.address).await.is_err() {
        nginx.process.check_alive().context("is nginx installed? scripts/debian-packages nginx-light")?;
        ensure!(Instant::now() < deadline, "nginx did not start");
        sleep(Duration::from_millis(50)).await;
    }
    Ok(nginx)
}

/// Debian has nginx in a folder that users do not have in their path.
fn path() -> Result<String> {
    Ok(format!("{}:/usr/sbin", std::env::var("PATH")?))
}
