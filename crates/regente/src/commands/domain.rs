//! `regente domain`.

use api_types::{Domain, DomainCreate, DomainFilter, DomainUpdate};
use clap::{Args, Subcommand};

use super::{
    Exit, Fault, Outcome,
    output::{Width, facts, listed, moment},
    remote::{Hub, Remote},
};
use crate::terminal;

/// Arguments of `domain`.
#[derive(Args)]
pub(crate) struct DomainArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: DomainCommand,
}

#[derive(Subcommand)]
enum DomainCommand {
    /// List domains.
    List,
    /// Add a domain.
    Create {
        /// Unique name for programs: letters a to z, digits and hyphens.
        slug: String,
        /// Name for people; by default the slug.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// Show one domain.
    Show {
        /// Slug or id.
        slug: String,
    },
    /// Change the slug or the name of a domain.
    Update {
        /// Slug or id.
        slug: String,
        /// New slug.
        #[arg(long = "slug", value_name = "SLUG")]
        new_slug: Option<String>,
        /// New name for people.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// Delete a domain that owns no automations.
    Delete {
        /// Slug or id.
        slug: String,
    },
}

pub(super) async fn run(args: DomainArgs) -> Outcome {
    let (hub, is_json) = (args.remote.hub()?, args.remote.is_json());
    match args.command {
        DomainCommand::List => {
            let filter = DomainFilter { limit: Some(1000), ..DomainFilter::default() };
            listed(&hub, hub.client.domains(&filter), is_json, &COLUMNS, row).await
        }
        DomainCommand::Create { slug, name } => {
            let request = DomainCreate { name: name.unwrap_or_else(|| slug.clone()), slug };
            hub.change(hub.client.domain_create(&request), is_json, |domain: &Domain| format!("Domain {} is added.", domain.slug)).await
        }
        DomainCommand::Show { slug } => show(&hub, &slug, is_json).await,
        DomainCommand::Update { slug, new_slug, name } => {
            let call = hub.client.domain_update(find(&hub, &slug).await?.id, &DomainUpdate { slug: new_slug, name });
            hub.change(call, is_json, |domain: &Domain| format!("Domain {} is changed.", domain.slug)).await
        }
        DomainCommand::Delete { slug } => {
            let domain = find(&hub, &slug).await?;
            hub.client.domain_delete(domain.id).await.map_err(|error| hub.fault(error))?;
            if !is_json {
                terminal::line(&format!("Domain {} is deleted.", domain.slug))?;
            }
            Ok(Exit::Done)
        }
    }
}

/// The domain with this slug, else with this id.
pub(super) async fn find(hub: &Hub, slug: &str) -> Result<Domain, Fault> {
    if let Some(domain) = hub.client.domain_named(slug).await.map_err(|error| hub.fault(error))? {
        return Ok(domain);
    }
    let missing = || Fault::here(format!("there is no domain \"{slug}\" at {}: `regente domain list` lists them", hub.client.url()));
    let Ok(id) = slug.parse() else { return Err(missing()) };
    match hub.client.domain(id).await {
        Err(error) if error.status() == Some(404) => Err(missing()),
        outcome => outcome.map_err(|error| hub.fault(error)),
    }
}

async fn show(hub: &Hub, slug: &str, is_json: bool) -> Outcome {
    let domain = find(hub, slug).await?;
    if is_json {
        terminal::line(&hub.client.domain(domain.id).text().await.map_err(|error| hub.fault(error))?)?;
        return Ok(Exit::Done);
    }
    facts([
        ("slug", Some(domain.slug)),
        ("name", Some(domain.name)),
        ("id", Some(domain.id.to_string())),
        ("created", Some(moment(domain.created_at))),
        ("changed", Some(moment(domain.updated_at))),
    ])?;
    Ok(Exit::Done)
}

const COLUMNS: [(&str, Width); 3] = [("slug", Width::Whole), ("name", Width::Cut), ("changed", Width::Whole)];

fn row(domain: &Domain) -> Vec<String> {
    vec![domain.slug.clone(), domain.name.clone(), moment(domain.updated_at)]
}
