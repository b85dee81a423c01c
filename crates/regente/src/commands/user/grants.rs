//! `regente user grant`, `revoke` and `grants`: what a user may do, and where.

use std::collections::HashMap;

use ::domain::{
    ids::{AutomationId, DomainId},
    permission::Right,
};
use api_types::{Domain, DomainFilter, Grant, GrantCreate};
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
pub(in crate::commands) struct Place {
    /// Only on the automations of this domain.
    #[arg(long, value_name = "SLUG")]
    domain: Option<String>,
    /// Only on this automation, by name or id.
    #[arg(long, value_name = "NAME")]
    automation: Option<String>,
    /// Only on automations with this label.
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
}

/// A place with what the hub calls it.
#[derive(Clone, Default)]
pub(in crate::commands) struct Found {
    pub(in crate::commands) domain: Option<Domain>,
    pub(in crate::commands) automation_id: Option<AutomationId>,
    pub(in crate::commands) label: Option<String>,
}

impl Place {
    pub(in crate::commands) async fn find(&self, hub: &Hub) -> Result<Found, Fault> {
        let domain = match &self.domain {
            Some(slug) => Some(domain::find(hub, slug).await?),
            None => None,
        };
        let automation_id = match &self.automation {
            Some(name) => Some(automation::find(hub, name).await?.id),
            None => None,
        };
        Ok(Found { domain, automation_id, label: self.label.as_ref().map(|label| label.to_ascii_lowercase()) })
    }
}

impl Found {
    pub(in crate::commands) fn domain_id(&self) -> Option<DomainId> {
        self.domain.as_ref().map(|domain| domain.id)
    }

    fn domains(&self) -> Domains {
        self.domain.iter().map(|domain| (domain.id, domain.slug.clone())).collect()
    }
}

pub(super) async fn grant(hub: &Hub, args: &GrantArgs, is_json: bool) -> Outcome {
    let (user, found) = (find(hub, &args.name).await?, args.place.find(hub).await?);
    let (right, domain_id) = (args.right.to_string(), found.domain_id());
    let request = GrantCreate { right, domain_id, automation_id: found.automation_id, label: found.label.clone() };
    let says = |grant: &Grant| format!("User {} has {} {}.", user.username, grant.right, place(grant, &found.domains()));
    hub.change(hub.client.user_grant(user.id, &request), is_json, says).await
}

/// Takes away the grant of this right at this place.
pub(super) async fn revoke(hub: &Hub, args: &GrantArgs, is_json: bool) -> Outcome {
    let (user, found) = (find(hub, &args.name).await?, args.place.find(hub).await?);
    let is_there =
        |grant: &Grant| grant.domain_id == found.domain_id() && grant.automation_id == found.automation_id && grant.label == found.label;
    let is_it = |grant: &&Grant| grant.right == args.right && is_there(grant);
    let grants = hub.client.user_grants(user.id).await.map_err(|error| hub.fault(error))?;
    let missing = || Fault::here(format!("user {} has no such grant: `regente user grants {}` lists them", user.username, args.name));
    let grant = grants.iter().find(is_it).ok_or_else(missing)?;
    hub.client.user_revoke(user.id, grant.id).await.map_err(|error| hub.fault(error))?;
    if !is_json {
        terminal::line(&format!("User {} no longer has {} {}.", user.username, grant.right, place(grant, &found.domains())))?;
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
    let mut domains = Domains::new();
    if grants.iter().any(|grant| grant.domain_id.is_some()) {
        let all = hub.client.domains(&DomainFilter { limit: Some(1000), ..DomainFilter::default() }).take(usize::MAX).await;
        domains.extend(all.map_err(|error| hub.fault(error))?.into_iter().map(|domain| (domain.id, domain.slug)));
    }
    let row = |grant: &Grant| vec![grant.right.to_string(), place(grant, &domains), grant.granted_by.clone(), moment(grant.granted_at)];
    let rows: Vec<Vec<String>> = grants.iter().map(row).collect();
    table(&COLUMNS, &rows)?;
    Ok(Exit::Done)
}

const COLUMNS: [(&str, Width); 4] =
    [("right", Width::Whole), ("where", Width::Whole), ("granted by", Width::Cut), ("granted", Width::Whole)];

/// Slugs of domains.
type Domains = HashMap<DomainId, String>;

fn place(grant: &Grant, domains: &Domains) -> String {
    match grant {
        Grant { domain_id: Some(id), .. } => format!("in domain {}", domains.get(id).cloned().unwrap_or_else(|| id.to_string())),
        Grant { automation_id: Some(id), .. } => format!("on automation {id}"),
        Grant { label: Some(label), .. } => format!("on automations with the label {label}"),
        _ => "everywhere".to_owned(),
    }
}
