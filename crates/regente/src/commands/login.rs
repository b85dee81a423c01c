//! `regente login`, `logout` and `passwd`: one's own sign-in and password.

use std::{
    io::{BufRead as _, IsTerminal as _, Read as _},
    time::Duration,
};

use api_types::{ChangePasswordRequest, LoginRequest, LoginResponse};
use chrono::Utc;
use clap::Args;
use client::{Client, Settings};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    Exit, Fault, Outcome, browser_sign_in,
    credentials::{Credentials, Lock, SignIn},
    output::moment,
    remote::{self, Output, Remote},
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
    /// Sign in with the hub's identity provider, in a browser on this machine.
    #[arg(long, conflicts_with_all = ["username", "password_stdin"])]
    sso: bool,
    /// With --sso: print the address alone.
    #[arg(long, requires = "sso")]
    no_browser: bool,
    /// Read the password from the first line of standard input instead of asking for it.
    #[arg(long)]
    password_stdin: bool,
}

/// Arguments of `passwd`.
#[derive(Args)]
pub(crate) struct PasswdArgs {
    /// Address of the hub; by default that of the last sign-in.
    #[arg(env = "REGENTE_URL", value_name = "URL")]
    url: Option<String>,
    /// Read the current password from the first line of standard input and the new one from the second, instead of asking for them.
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
    if let Some(name) = args.url.as_ref().filter(|url| is_name(url)) {
        let text = format!("\"{name}\" is not the address of a hub: `regente login https://HUB --username {name}` signs in as {name}");
        return Err(Fault::input(text));
    }
    let credentials = Credentials::load()?;
    let url = remote::address(args.url, &credentials);
    let client = Client::new(Settings::new(&url))?;
    // Reports an unreachable hub before it asks for a password.
    client.health().await?;
    warn_of_plain_http(&url);
    if args.sso {
        let given = browser_sign_in::sign_in(&client, &url, !args.no_browser).await?;
        let me = client.with_token(&given.access_token.clone().into())?.me().await?;
        return keep(&url, me.name, given).await;
    }
    let password = match args.password_stdin {
        true => password_from_stdin()?,
        false => password_from_terminal(&format!("Password of {} at {url}: ", args.username))?,
    };
    let known = credentials.hubs.get(&url).filter(|known| known.username == args.username);
    let request = LoginRequest {
        username: Some(args.username.clone()),
        password: password.expose_secret().to_owned(),
        refresh_token: known.and_then(|known| known.refresh_token.clone()),
        ..LoginRequest::default()
    };
    let given = client.login_with(&request).await?;
    keep(&url, args.username, given).await
}

/// Stores a sign-in, in the place of the one before at the same hub.
async fn keep(url: &str, username: String, given: LoginResponse) -> Outcome {
    let must_change_password = given.must_change_password;
    let sign_in = SignIn::new(username.clone(), given, Utc::now());
    let ends_at = sign_in.ends_at();
    let _lock = Lock::take().await?;
    let mut credentials = Credentials::load()?;
    let before = credentials.hubs.insert(url.to_owned(), sign_in);
    credentials.current = Some(url.to_owned());
    credentials.save()?;
    terminal::line(&format!("Signed in at {url} as {username} until {}.", moment(ends_at)))?;
    if must_change_password {
        terminal::note("the password must be changed before anything else: `regente passwd` changes it");
    }
    // The session before is not needed any more, and nobody can use it once it has ended.
    if let Some(token) = before.and_then(|before| before.refresh_token) {
        let _ended = Client::new(Settings::new(url))?.logout(&token).await;
    }
    Ok(Exit::Done)
}

/// Replaces one's own password. The hub ends all other sessions, and the tokens of this one: its new ones take their place in the file.
pub(super) async fn passwd(args: PasswdArgs) -> Outcome {
    let url = remote::address(args.url, &Credentials::load()?);
    let hub = Remote { url: Some(url.clone()), output: Output::Table }.hub()?;
    warn_of_plain_http(&url);
    let (current, new) = match args.password_stdin {
        true => (password_from_stdin()?, password_from_stdin()?),
        false => (password_from_terminal(&format!("Current password at {url}: "))?, new_from_terminal()?),
    };
    let request =
        ChangePasswordRequest { current_password: current.expose_secret().to_owned(), new_password: new.expose_secret().to_owned() };
    let given = hub.client.change_password(&request).await.map_err(|error| hub.fault(error))?;
    if hub.is_stored() {
        let _lock = Lock::take().await?;
        let mut credentials = Credentials::load()?;
        if let Some(known) = credentials.hubs.get_mut(&url) {
            *known = SignIn::new(known.username.clone(), given, Utc::now());
            credentials.save()?;
        }
    }
    terminal::line("The password is changed; all other sessions have ended.")?;
    Ok(Exit::Done)
}

fn new_from_terminal() -> Result<SecretString, Fault> {
    let (new, again) = (password_from_terminal("New password: ")?, password_from_terminal("New password again: ")?);
    if new.expose_secret() == again.expose_secret() { Ok(new) } else { Err(Fault::input("the new passwords differ: nothing is changed")) }
}

/// Whether this looks like a user's name, in the place of an address.
fn is_name(url: &str) -> bool {
    !url.contains([':', '/', '.']) && url != "localhost"
}

/// Deletes the stored tokens and ends the session.
pub(super) async fn logout(args: LogoutArgs) -> Outcome {
    let url = remote::address(args.url, &Credentials::load()?);
    let lock = Lock::take().await?;
    let mut credentials = Credentials::load()?;
    let Some(before) = credentials.hubs.remove(&url) else {
        terminal::line(&format!("Nobody was signed in at {url}."))?;
        return Ok(Exit::Done);
    };
    if credentials.current.as_ref() == Some(&url) {
        credentials.current = None;
    }
    credentials.save()?;
    drop(lock);
    if let Some(token) = &before.refresh_token
        && let Err(error) = Client::new(Settings { patience: Duration::ZERO, ..Settings::new(&url) })?.logout(token).await
        && error.status() != Some(401)
    {
        let ends_at = moment(before.ends_at());
        terminal::note(&format!("the hub did not end the session ({error}); its tokens are deleted here, and it expires at {ends_at}"));
    }
    terminal::line(&format!("Signed out of {url}."))?;
    Ok(Exit::Done)
}

fn warn_of_plain_http(url: &str) {
    let host = url.strip_prefix("http://").map(|rest| rest.split(['/', ':']).next().unwrap_or_default());
    if host.is_some_and(|host| !(host == "localhost" || host.starts_with("127.") || host.starts_with('['))) {
        terminal::note(&format!("the password is sent to {url} unencrypted; use https outside trusted networks"));
    }
}

pub(super) fn password_from_stdin() -> Result<SecretString, Fault> {
    let mut line = String::new();
    let read = std::io::stdin().lock().take(MOST_PASSWORD).read_line(&mut line);
    read.map_err(|error| Fault::input(format!("cannot read a password on standard input: {error}")))?;
    checked(line.trim_end_matches(['\n', '\r']).to_owned().into())
}

fn password_from_terminal(prompt: &str) -> Result<SecretString, Fault> {
    // Uses the terminal itself, wherever standard output goes.
    let asked = rpassword::prompt_password(prompt);
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
