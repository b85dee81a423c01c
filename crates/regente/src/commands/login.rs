//! `regente login` and `regente logout`.

use std::io::{BufRead as _, IsTerminal as _, Read as _};

use chrono::{TimeDelta, Utc};
use clap::Args;
use client::{Client, Settings};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    Exit, Fault, Outcome,
    credentials::{Credentials, SignIn},
    output::moment,
    remote,
};
use crate::terminal;

/// Maximum size of a password on standard input, in bytes.
const MOST_PASSWORD: u64 = 16 * 1024;

/// Arguments of `login`.
#[derive(Args)]
pub(crate) struct LoginArgs {
    /// Address of the hub; by default that of the last sign-in, or http://127.0.0.1:8080.
    #[arg(env = "REGENTE_URL", value_name = "URL")]
    url: Option<String>,
    /// User name.
    #[arg(long, short, default_value = "admin", value_name = "NAME")]
    username: String,
    /// Read the password from the first line of standard input instead of asking for it.
    #[arg(long)]
    password_stdin: bool,
}

/// Arguments of `logout`.
#[derive(Args)]
pub(crate) struct LogoutArgs {
    /// Address of the hub; by default that of the last sign-in.
    #[arg(env = "REGENTE_URL", value_name = "URL")]
    url: Option<String>,
}

pub(super) async fn login(args: LoginArgs) -> Outcome {
    let mut credentials = Credentials::load()?;
    let url = remote::address(args.url, &credentials);
    let client = Client::new(Settings::new(&url))?;
    // Reports an unreachable hub before it asks for a password.
    client.health().await?;
    warn_of_plain_http(&url);
    let password = if args.password_stdin { password_from_stdin()? } else { password_from_terminal(&args.username, &url)? };
    let given = client.login(&args.username, password).await?;
    let lifetime = i64::try_from(given.expires_in).ok().and_then(TimeDelta::try_seconds).unwrap_or(TimeDelta::MAX);
    let expires_at = Utc::now().checked_add_signed(lifetime).unwrap_or(chrono::DateTime::<Utc>::MAX_UTC);
    let sign_in = SignIn { username: args.username.clone(), token: given.access_token, expires_at };
    credentials.hubs.insert(url.clone(), sign_in);
    credentials.current = Some(url.clone());
    credentials.save()?;
    terminal::line(&format!("Signed in at {url} as {} until {}.", args.username, moment(expires_at)))?;
    Ok(Exit::Done)
}

/// Deletes the stored token; the hub keeps no list of tokens.
pub(super) fn logout(args: LogoutArgs) -> Outcome {
    let mut credentials = Credentials::load()?;
    let url = remote::address(args.url, &credentials);
    if credentials.hubs.remove(&url).is_none() {
        terminal::line(&format!("Nobody was signed in at {url}."))?;
        return Ok(Exit::Done);
    }
    if credentials.current.as_ref() == Some(&url) {
        credentials.current = None;
    }
    credentials.save()?;
    terminal::line(&format!("Signed out of {url}."))?;
    Ok(Exit::Done)
}

fn warn_of_plain_http(url: &str) {
    let host = url.strip_prefix("http://").map(|rest| rest.split(['/', ':']).next().unwrap_or_default());
    if host.is_some_and(|host| !(host == "localhost" || host.starts_with("127.") || host.starts_with('['))) {
        terminal::note(&format!("the password is sent to {url} unencrypted; use https outside trusted networks"));
    }
}

fn password_from_stdin() -> Result<SecretString, Fault> {
    let mut line = String::new();
    let read = std::io::stdin().lock().take(MOST_PASSWORD).read_line(&mut line);
    read.map_err(|error| Fault::input(format!("cannot read a password on standard input: {error}")))?;
    checked(line.trim_end_matches(['\n', '\r']).to_owned().into())
}

fn password_from_terminal(username: &str, url: &str) -> Result<SecretString, Fault> {
    // Uses the terminal itself, wherever standard output goes.
    let asked = rpassword::prompt_password(format!("Password of {username} at {url}: "));
    let password = asked.map_err(|error| {
        if std::io::stdin().is_terminal() {
            Fault::here(format!("cannot read the password: {error}"))
        } else {
            Fault::input("there is no terminal to ask for the password: give it with --password-stdin")
        }
    })?;
    checked(password.into())
}

fn checked(password: SecretString) -> Result<SecretString, Fault> {
    if password.expose_secret().is_empty() { Err(Fault::input("the password is empty")) } else { Ok(password) }
}
