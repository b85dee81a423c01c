//! Which hub a command asks, and as whom.

use std::env;

use chrono::Utc;
use clap::{Args, ValueEnum};
use client::{Client, Error, Settings};
use secrecy::SecretString;

use super::{Exit, Fault, credentials::Credentials};

/// Where a hub is unless somebody says otherwise.
pub(super) const USUAL_URL: &str = "http://127.0.0.1:8080";
const TOKEN_VARIABLE: &str = "REGENTE_TOKEN";

/// What every command that asks a hub takes.
#[derive(Args)]
pub(super) struct Remote {
    /// Address of the hub; by default the one that somebody signed in at last, or http://127.0.0.1:8080. REGENTE_TOKEN has a token for it.
    #[arg(long, global = true, env = "REGENTE_URL", value_name = "URL")]
    pub(super) url: Option<String>,
    /// How to print what was asked for.
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Table, value_name = "FORM")]
    pub(super) output: Output,
}

/// How to print.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    Table,
    /// The API's own JSON.
    Json,
}

/// Where the token comes from.
enum Source {
    Variable,
    File,
    Expired,
    Nowhere,
}

/// A hub, and what is known of the sign-in there.
pub(super) struct Hub {
    pub(super) client: Client,
    source: Source,
}

impl Remote {
    pub(super) fn is_json(&self) -> bool {
        self.output == Output::Json
    }

    /// The hub that is asked. Nothing is sent yet.
    pub(super) fn hub(&self) -> Result<Hub, Fault> {
        let credentials = Credentials::load()?;
        let url = address(self.url.clone(), &credentials);
        let (token, source) = match env::var(TOKEN_VARIABLE) {
            Ok(token) if !token.is_empty() => (Some(token), Source::Variable),
            _ => match credentials.hubs.get(&url) {
                Some(known) if known.expires_at > Utc::now() => (Some(known.token.clone()), Source::File),
                Some(_) => (None, Source::Expired),
                // A hub that is open to everybody needs none.
                None => (None, Source::Nowhere),
            },
        };
        let client = Client::new(Settings::new(url))?;
        let client = match token {
            Some(token) => client.with_token(&SecretString::from(token))?,
            None => client,
        };
        Ok(Hub { client, source })
    }
}

/// The address as it is kept: without a slash at its end.
pub(super) fn address(named: Option<String>, credentials: &Credentials) -> String {
    let url = named.or_else(|| credentials.current.clone()).unwrap_or_else(|| USUAL_URL.to_owned());
    url.trim_end_matches('/').to_owned()
}

impl Hub {
    /// What to say about an error, which names the sign-in when that is what is missing.
    pub(super) fn fault(&self, error: Error) -> Fault {
        if error.status() != Some(401) {
            return error.into();
        }
        let url = self.client.url();
        let text = match self.source {
            Source::Variable => {
                format!("the hub at {url} does not take the token in {TOKEN_VARIABLE}: it is none of this hub, or it has expired")
            }
            Source::File | Source::Expired => format!("the sign-in at {url} has expired: run `regente login {url}`"),
            Source::Nowhere => format!("not signed in at {url}: run `regente login {url}`"),
        };
        Fault::new(Exit::NotAllowed, text)
    }
}
