//! Adds, changes, lists and deletes domains.

use api_types::{DomainCreate, DomainUpdate};
use auth::Permitted;
use domain::{business_domain::faults, ids::DomainId, permission::Permission};
use runtime::{Editor, Failure, reach};
use store::domains::{Deletion, Domain, Filter, domain_delete, domain_get, domain_insert, domain_list, domain_update};
use uuid::Uuid;

use super::Domains;

impl Domains {
    pub(crate) async fn create(&self, by: &Editor, request: DomainCreate) -> Result<Domain, Failure> {
        let (id, now) = (DomainId::new(Uuid::now_v7()), (self.clock)());
        let DomainCreate { slug, name } = request;
        let domain = checked(Domain { id, slug, name, created_at: now, updated_at: now })?;
        let inserted = domain_insert(&self.database, by.change(), &domain).await;
        inserted.map_err(|error| slug_taken(error, &domain.slug))?;
        Ok(domain)
    }

    pub(crate) async fn update(&self, by: &Editor, id: DomainId, request: DomainUpdate) -> Result<Domain, Failure> {
        let current = self.get(by, id).await?;
        let DomainUpdate { slug, name } = request;
        let changed =
            Domain { slug: slug.unwrap_or(current.slug), name: name.unwrap_or(current.name), updated_at: (self.clock)(), ..current };
        let changed = checked(changed)?;
        let updated = domain_update(&self.database, by.change(), &changed).await;
        if !updated.map_err(|error| slug_taken(error, &changed.slug))? {
            return Err(not_found(id));
        }
        Ok(changed)
    }

    pub(crate) async fn delete(&self, by: &Editor, id: DomainId) -> Result<(), Failure> {
        match domain_delete(&self.database, by.change(), id, (self.clock)()).await? {
            Deletion::Done => self.identities.refresh().await,
            Deletion::Missing => Err(not_found(id)),
            Deletion::Owns(automations) => {
                let detail = format!("{automations} automations belong to it, archived ones included; move them to another domain first");
                Err(Failure::conflict("domain_in_use", detail))
            }
            Deletion::Watched { count, names } => Err(in_use("SLA rules are", count, &names)),
            Deletion::Reported { count, names } => Err(in_use("report plans are", count, &names)),
        }
    }

    pub(crate) async fn get(&self, by: &Permitted, id: DomainId) -> Result<Domain, Failure> {
        reach(by, Permission::RobotRead, format_args!("domain {id}"), async |scope| domain_get(&self.database, scope, id).await).await
    }

    pub(crate) async fn list(&self, by: &Permitted, filter: &Filter) -> Result<Vec<Domain>, Failure> {
        Ok(domain_list(&self.database, by.scope(), filter).await?)
    }
}

fn checked(domain: Domain) -> Result<Domain, Failure> {
    let domain = Domain { name: domain.name.trim().to_owned(), ..domain };
    let faults = faults(&domain.slug, &domain.name);
    if faults.is_empty() { Ok(domain) } else { Err(Failure::Invalid(faults)) }
}

fn slug_taken(error: store::Error, slug: &str) -> Failure {
    match error {
        store::Error::Duplicate(_) => Failure::conflict("slug_taken", format!("a domain with the slug \"{slug}\" exists")),
        other => other.into(),
    }
}

fn not_found(id: DomainId) -> Failure {
    Failure::NotFound(format!("domain {id}"))
}

pub(super) fn to_api(domain: Domain) -> api_types::Domain {
    let Domain { id, slug, name, created_at, updated_at } = domain;
    api_types::Domain { id, slug, name, created_at, updated_at }
}

/// Why a domain is not deleted: these are about it.
fn in_use(what: &str, count: u64, names: &[String]) -> Failure {
    let listed: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let more = if count > names.len() as u64 { ", …" } else { "" };
    let detail = format!("{count} {what} about it: {}{more}; delete them or change what they are about first", listed.join(", "));
    Failure::conflict("domain_in_use", detail)
}
