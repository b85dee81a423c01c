//! `regente user grant`, `revoke` and `grants`: what a user may do, and where.

use ::domain::permission::Right;
use api_types::{Grant, GrantCreate};
use clap::Args;

use super::{
    super::{
        Exit, Fault, Outcome, automation, domain,
        output::{Width, moment, table},
        remote::Hub,
    },
    find,
};
use crate::terminal;

/// What is granted or revoked, and where.
#[derive(Args)]
pub(super) struct GrantArgs {
    /// User name or id.
    name: String,
    /// A role (viewer, operator, maintainer, admin) or a permission, such as run.cancel.
    right: Right,
    #[command(flatten)]
    place: Place,
}

/// Where; everywhere unless one is given.
#[derive(Args)]
#[group(multiple = false)]
struct Place {
    /// Only on the automations of this domain.
    #[arg(long, value_name = "SLUG")]
    domain: Option<String>,
    /// Only on this automation.
    #[arg(long, value_name = "NAME")]
    automation: Option<String>,
    /// Only on automations with this label.
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
}

impl GrantArgs {
    async fn request(&self, hub: &Hub) -> Result<GrantCreate, Fault> {
        let Place { domain, automation, label } = &self.place;
        let domain_id = match domain {
            Some(slug) => Some(domain::find(hub, slug).await?.id),
            None => None,
        };
        let automation_id = match automation {
            Some(name) => Some(automation::find(hub, name).await?.id),
            None => None,
        };
        Ok(GrantCreate { right: self.right.to_string(), domain_id, automation_id, label: label.clone() })
    }
}

pub(super) async fn grant(hub: &Hub, args: &GrantArgs, is_json: bool) -> Outcome {
    let user = find(hub, &args.name).await?;
    let call = hub.client.user_grant(user.id, &args.request(hub).await?);
    hub.change(call, is_json, |grant: &Grant| format!("User {} has {} {}.", user.username, grant.right, place(grant))).await
}

/// Takes away the grant of this right at this place.
pub(super) async fn revoke(hub: &Hub, args: &GrantArgs, is_json: bool) -> Outcome {
    let user = find(hub, &args.name).await?;
    let GrantCreate { right: _, domain_id, automation_id, label } = args.request(hub).await?;
    let label = label.map(|label| label.to_ascii_lowercase());
    let is_it = |grant: &&Grant| {
        grant.right == args.right && grant.domain_id == domain_id && grant.automation_id == automation_id && grant.label == label
    };
    let grants = hub.client.user_grants(user.id).await.map_err(|error| hub.fault(error))?;
    let missing = || Fault::here(format!("user {} has no such grant: `regente user grants {}` lists them", user.username, args.name));
    let grant = grants.iter().find(is_it).ok_or_else(missing)?;
    hub.client.user_revoke(user.id, grant.id).await.map_err(|error| hub.fault(error))?;
    if !is_json {
        terminal::line(&format!("User {} no longer has {} {}.", user.username, grant.right, place(grant)))?;
    }
    Ok(Exit::Done)
}

pub(super) async fn list(hub: &Hub, name: &str, is_json: bool) -> Outcome {
    let user = find(hub, name).await?;
    let call = hub.client.user_grants(user.id);
    if is_json {
        terminal::line(&call.text().await.map_err(|error| hub.fault(error))?)?;
        return Ok(Exit::Done);
    }
    let grants = call.await.map_err(|error| hub.fault(error))?;
    let row = |grant: &Grant| vec![grant.right.to_string(), place(grant), grant.granted_by.clone(), moment(grant.granted_at)];
    let rows: Vec<Vec<String>> = grants.iter().map(row).collect();
    table(&COLUMNS, &rows)?;
    Ok(Exit::Done)
}

const COLUMNS: [(&str, Width); 4] =
    [("right", Width::Whole), ("where", Width::Whole), ("granted by", Width::Cut), ("granted", Width::Whole)];

fn place(grant: &Grant) -> String {
    match grant {
        Grant { domain_id: Some(id), .. } => format!("in domain {id}"),
        Grant { automation_id: Some(id), .. } => format!("on automation {id}"),
        Grant { label: Some(label), .. } => format!("on automations with the label {label}"),
        _ => "everywhere".to_owned(),
    }
}
