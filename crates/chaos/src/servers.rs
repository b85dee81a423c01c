use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sqlx::{Connection as _, PgConnection};
use test_support::server_variable;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

const START_LIMIT: Duration = Duration::from_secs(60);
/// A server that did not start is started again: its port may have been taken for a moment.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A server that all parts use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Postgres,
    Rabbitmq,
}

/// PostgreSQL and RabbitMQ of `scripts/with-servers`, which restarts them on a signal.
#[derive(Clone)]
pub(crate) struct Servers {
    pub(crate) database_url: String,
    pub(crate) amqp_url: String,
    /// Where their logs are.
    pub(crate) folder: PathBuf,
    script: i32,
}

impl Servers {
    pub(crate) fn from_env() -> Result<Self> {
        Ok(Self {
            database_url: server_variable("TEST_DATABASE_URL")?,
            amqp_url: server_variable("TEST_AMQP_URL")?,
            folder: server_variable("TEST_SERVERS_DIR")?.into(),
            script: server_variable("TEST_SERVERS_PID")?.parse()?,
        })
    }

    /// The same servers, with a new database of this name.
    pub(crate) async fn with_database(&self, name: &str) -> Result<Self> {
        let mut connection = PgConnection::connect(&self.database_url).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await?;
        connection.close().await?;
        let (server, _) = self.database_url.rsplit_once('/').context("an address without a database")?;
        Ok(Self { database_url: format!("{server}/{name}"), ..self.clone() })
    }

    /// `host:port` of a server.
    pub(crate) fn address(&self, server: Server) -> Result<String> {
        let url = match server {
            Server::Postgres => &self.database_url,
            Server::Rabbitmq => &self.amqp_url,
        };
        Ok(authority(url)?.to_owned())
    }

    /// kill -9 of the server and of every process it has started.
    pub(crate) async fn kill(&self, server: Server) -> Result<()> {
        let pid = self.pid(server)?;
        let mut doomed = children(pid);
        doomed.push(pid);
        for pid in &doomed {
            // It may have ended meanwhile.
            let _ended = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        while doomed.iter().any(|pid| lives(*pid)) {
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Starts the server again with its port and data; returns when it answers.
    pub(crate) async fn revive(&self, server: Server) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        let signal = match server {
            Server::Postgres => Signal::SIGUSR1,
            Server::Rabbitmq => Signal::SIGUSR2,
        };
        let mut asked: Option<Instant> = None;
        loop {
            if !self.pid(server).is_ok_and(lives) && asked.is_none_or(|at| at.elapsed() > ASK_AGAIN) {
                kill(Pid::from_raw(self.script), signal).context("scripts/with-servers is gone")?;
                asked = Some(Instant::now());
            }
            if timeout(Duration::from_secs(2), self.answers(server)).await.unwrap_or(false) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{server:?} did not come back within {START_LIMIT:?}");
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn pid(&self, server: Server) -> Result<i32> {
        let name = match server {
            Server::Postgres => "postgres.pid",
            Server::Rabbitmq => "rabbitmq.pid",
        };
        Ok(fs::read_to_string(self.folder.join(name)).context(name)?.trim().parse()?)
    }

    async fn answers(&self, server: Server) -> bool {
        match server {
            Server::Postgres => match PgConnection::connect(&self.database_url).await {
                Ok(connection) => connection.close().await.is_ok(),
                Err(_) => false,
            },
            Server::Rabbitmq => self.greets().await.is_ok(),
        }
    }

    /// RabbitMQ answers the protocol's header with the first frame of its handshake.
    async fn greets(&self) -> Result<()> {
        let mut connection = TcpStream::connect(self.address(Server::Rabbitmq)?).await?;
        connection.write_all(b"AMQP\x00\x00\x09\x01").await?;
        connection.read_exact(&mut [0; 8]).await?;
        Ok(())
    }
}

/// `url` with another `host:port`.
pub(crate) fn at(url: &str, address: std::net::SocketAddr) -> Result<String> {
    Ok(url.replacen(authority(url)?, &address.to_string(), 1))
}

fn authority(url: &str) -> Result<&str> {
    let (_, rest) =
        url.split_once('@').with_context(|| format!("an address without user: {}", url.split(':').next().unwrap_or_default()))?;
    Ok(rest.split('/').next().unwrap_or(rest))
}

/// A process that is not a zombie.
pub(crate) fn lives(pid: i32) -> bool {
    stat(pid).is_some_and(|(_, state)| state != "Z")
}

/// Processes that this one has started.
fn children(parent: i32) -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|(found, _)| found == parent)).collect()
}

/// Processes that this one has started, and what those have.
pub(crate) fn descendants(ancestor: i32) -> Vec<i32> {
    let mut found = children(ancestor);
    let mut next = 0;
    while let Some(pid) = found.get(next).copied() {
        found.extend(children(pid));
        next += 1;
    }
    found
}

/// Parent and state. The program's name, in brackets, may hold spaces and brackets: fields are counted after it.
fn stat(pid: i32) -> Option<(i32, String)> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.to_owned();
    Some((fields.next()?.parse().ok()?, state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_led_elsewhere() {
        let url = at("postgres://u:p@127.0.0.1:5432/db", "127.0.0.1:9".parse().unwrap()).unwrap();
        assert_eq!(url, "postgres://u:p@127.0.0.1:9/db");
        assert_eq!(authority("amqp://u:p@h:1/%2f").unwrap(), "h:1");
    }

    #[test]
    fn this_process_lives_and_is_a_child() {
        let own = std::process::id().cast_signed();
        let (parent, _) = stat(own).unwrap();
        assert!(lives(own) && children(parent).contains(&own));
    }
}
