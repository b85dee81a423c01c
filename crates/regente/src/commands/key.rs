//! `regente key`.

use api_types::{ApiKey, ApiKeyCreate, ApiKeyCreated, ApiKeyFilter, KeyGrant};
use chrono::{TimeDelta, Utc};
use clap::{Args, Subcommand};
use domain::ids::ApiKeyId;

use super::{
    Exit, Fault, Outcome,
    output::{Width, listed, moment},
    remote::{Hub, Remote},
    user::{self, grants::Place},
};
use crate::terminal;

/// Arguments of `key`.
#[derive(Args)]
pub(crate) struct KeyArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Subcommand)]
enum KeyCommand {
    /// Create an API key, for a program that acts for you.
    Create {
        /// What it is for.
        name: String,
        /// A role or permission that it gets; repeat it for several.
        #[arg(long = "grant", required = true, value_name = "RIGHT")]
        grants: Vec<String>,
        #[command(flatten)]
        place: Place,
        /// How many days it is good; by default until it is revoked.
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
        expires_in_days: Option<u32>,
        /// Act for this user instead, by name or id.
        #[arg(long, value_name = "NAME")]
        owner: Option<String>,
    },
    /// List your API keys.
    List {
        /// Those of this user instead, by name or id.
        #[arg(long, value_name = "NAME")]
        owner: Option<String>,
        /// Those of everybody.
        #[arg(long)]
        all: bool,
    },
    /// Revoke an API key.
    Revoke {
        /// Its id.
        id: ApiKeyId,
    },
}

pub(super) async fn run(args: KeyArgs) -> Outcome {
    let (hub, is_json) = (args.remote.hub()?, args.remote.is_json());
    match args.command {
        KeyCommand::Create { name, grants, place, expires_in_days, owner } => {
            let place = place.find(&hub).await?;
            let grant = |right: String| {
                let right = right.parse().map_err(|error| Fault::input(format!("--grant {right}: {error}")))?;
                Ok(KeyGrant { right, domain_id: place.domain_id(), automation_id: place.automation_id, label: place.label.clone() })
            };
            let grants = grants.into_iter().map(grant).collect::<Result<_, Fault>>()?;
            let expires_at = expires_in_days.map(|days| Utc::now() + TimeDelta::days(days.into()));
            let request = ApiKeyCreate { name, grants, expires_at, owner_id: owner_id(&hub, owner).await? };
            hub.change(hub.client.api_key_create(&request), is_json, says).await
        }
        KeyCommand::List { owner, all } => {
            let filter = ApiKeyFilter { limit: Some(1000), owner_id: owner_id(&hub, owner).await?, all, after: None };
            listed(&hub, hub.client.api_keys(&filter), is_json, &COLUMNS, row).await
        }
        KeyCommand::Revoke { id } => {
            hub.client.api_key_revoke(id).await.map_err(|error| hub.fault(error))?;
            if !is_json {
                terminal::line("The API key is revoked.")?;
            }
            Ok(Exit::Done)
        }
    }
}

async fn owner_id(hub: &Hub, name: Option<String>) -> Result<Option<domain::ids::UserId>, Fault> {
    match name {
        Some(name) => Ok(Some(user::find(hub, &name).await?.id)),
        None => Ok(None),
    }
}

fn says(ApiKeyCreated { key, kept }: &ApiKeyCreated) -> String {
    format!("API key {} of {} (shown this once): {key}", kept.name, kept.owner)
}

const COLUMNS: [(&str, Width); 7] = [
    ("id", Width::Whole),
    ("name", Width::Cut),
    ("owner", Width::Cut),
    ("key", Width::Whole),
    ("state", Width::Whole),
    ("grants", Width::Cut),
    ("last used", Width::Cut),
];

fn row(key: &ApiKey) -> Vec<String> {
    let state = match (key.revoked_at, key.expires_at) {
        (Some(_), _) => "revoked".to_owned(),
        (None, Some(at)) if at <= Utc::now() => "expired".to_owned(),
        (None, Some(at)) => format!("until {}", moment(at)),
        (None, None) => "active".to_owned(),
    };
    let grants = key.grants.iter().map(|grant| grant.right.to_string()).collect::<Vec<_>>().join(", ");
    let used = key.last_used_at.map(moment).unwrap_or_default();
    vec![key.id.to_string(), key.name.clone(), key.owner.clone(), format!("{}…", key.prefix), state, grants, used]
}
