//! The hub and the credentials of a command.

use std::{env, sync::Arc};

use chrono::Utc;
use clap::{Args, ValueEnum};
use client::{Call, Client, Error, Settings};
use secrecy::SecretString;
use serde::de::DeserializeOwned;

use super::{Exit, Fault, Outcome, credentials::Credentials, renewal::Renewal};
use crate::terminal;

/// Default address of a hub.
pub(super) const DEFAULT_URL: &str = "http://127.0.0.1:8080";
const TOKEN_VARIABLE: &str = "REGENTE_TOKEN";
const KEY_VARIABLE: &str = "REGENTE_API_KEY";

/// Options of every command that calls a hub.
#[derive(Args)]
pub(crate) struct Remote {
    /// Address of the hub; by default the one that somebody signed in at last, or http://127.0.0.1:8080. REGENTE_API_KEY has an API key for it, or REGENTE_TOKEN a token.
    #[arg(long, global = true, env = "REGENTE_URL", value_name = "URL")]
    pub(super) url: Option<String>,
    /// Output format.
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Table, value_name = "FORM")]
    pub(super) output: Output,
}

/// Output format.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// The API's unchanged JSON.
    Json,
}

/// Source of the token.
enum Source {
    Variable(&'static str),
    File,
    Expired,
    Nowhere,
}

/// A hub and the source of its token.
pub(super) struct Hub {
    pub(super) client: Client,
    source: Source,
}

impl Remote {
    pub(super) fn is_json(&self) -> bool {
        self.output == Output::Json
    }

    /// The hub of this command. Sends nothing yet.
    pub(super) fn hub(&self) -> Result<Hub, Fault> {
        let credentials = Credentials::load()?;
        let url = address(self.url.clone(), &credentials);
        let given = |name| env::var(name).ok().filter(|token| !token.is_empty()).map(|token| (name, token));
        let (token, source) = match given(TOKEN_VARIABLE).or_else(|| given(KEY_VARIABLE)) {
            Some((name, token)) => (Some(token), Source::Variable(name)),
            None => match credentials.hubs.get(&url) {
                // An access token that has expired is renewed when the hub refuses it.
                Some(known) if known.ends_at() > Utc::now() => (Some(known.token.clone()), Source::File),
                Some(_) => (None, Source::Expired),
                // A hub without sign-in needs no token.
                None => (None, Source::Nowhere),
            },
        };
        let client = Client::new(Settings::new(&url))?;
        let client = match (token, &source) {
            (Some(token), Source::File) => {
                let renewal = Arc::new(Renewal::new(client.clone(), url));
                client.with_renewed_token(&SecretString::from(token), renewal)?
            }
            (Some(token), _) => client.with_token(&SecretString::from(token))?,
            (None, _) => client,
        };
        Ok(Hub { client, source })
    }
}

/// What is in an answer's body.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    serde_json::from_str(text)
        .map_err(|error| Fault::here(format!("the hub's answer is not understood ({error}): is it of a version that fits this program?")))
}

/// The normalised address: without a trailing slash.
pub(super) fn address(named: Option<String>, credentials: &Credentials) -> String {
    let url = named.or_else(|| credentials.current.clone()).unwrap_or_else(|| DEFAULT_URL.to_owned());
    url.trim_end_matches('/').to_owned()
}

impl Hub {
    /// Whether the token is that of a stored sign-in.
    pub(super) const fn is_stored(&self) -> bool {
        matches!(self.source, Source::File)
    }

    /// Asks for a change: the hub's answer as it is, or what it says to people.
    pub(super) async fn change<T: DeserializeOwned>(&self, call: Call<T>, is_json: bool, says: impl FnOnce(&T) -> String) -> Outcome {
        let text = call.text().await.map_err(|error| self.fault(error))?;
        terminal::line(&if is_json { text } else { says(&parse(&text)?) })?;
        Ok(Exit::Done)
    }

    /// The message for an error; asks to sign in if that is missing.
    pub(super) fn fault(&self, error: Error) -> Fault {
        if error.status() != Some(401) {
            return error.into();
        }
        let url = self.client.url();
        let text = match self.source {
            Source::Variable(name) => {
                format!("the hub at {url} refused what is in {name}: it belongs to another hub, or has expired")
            }
            Source::File | Source::Expired => format!("the sign-in at {url} has expired: run `regente login {url}`"),
            Source::Nowhere => format!("not signed in at {url}: run `regente login {url}`"),
        };
        Fault::new(Exit::NotAllowed, text)
    }
}
