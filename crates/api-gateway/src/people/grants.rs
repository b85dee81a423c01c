//! What users may do, and where.

use api_types::GrantCreate;
use domain::{
    Scope,
    audit::Change,
    ids::{GrantId, UserId},
    permission::{Grant, GrantSource, Grantee, UnknownRight, Where},
};
use runtime::Failure;
use store::{
    automations::automation_get,
    domains::domain_get,
    grants::{Held, grant_delete_in_txn, grant_insert, grant_list_unscoped},
    users::administrator_check_in_txn,
};
use uuid::Uuid;

use super::People;

/// Grants that somebody has at most: a query has a parameter for each place.
const MOST: usize = 1000;

impl People {
    pub(crate) async fn grants(&self, user: UserId) -> Result<Vec<Held>, Failure> {
        self.get(user).await?;
        Ok(grant_list_unscoped(&self.database, Grantee::User(user)).await?)
    }

    pub(crate) async fn grant(&self, change: &Change, user: UserId, request: GrantCreate) -> Result<Held, Failure> {
        let held = self.grants(user).await?;
        let grant = parsed(request)?;
        self.check_place(&grant.place).await?;
        if held.iter().any(|held| held.grant == grant && held.source == GrantSource::Manual) {
            return Err(already_held());
        }
        if held.len() >= MOST {
            let detail = format!("a user has at most {MOST} grants; grant it for a domain or a label");
            return Err(Failure::conflict("too_many_grants", detail));
        }
        let new = Held {
            id: Uuid::now_v7().into(),
            grantee: Grantee::User(user),
            grant,
            source: GrantSource::Manual,
            granted_by: change.author().actor.clone(),
            granted_at: self.now(),
        };
        if !grant_insert(&self.database, change, &new).await? {
            return Err(already_held());
        }
        self.identities.refresh().await?;
        tracing::info!(user.id = %user, grant.right = %new.grant.right, grant.place = ?new.grant.place, "right granted");
        Ok(new)
    }

    pub(crate) async fn revoke(&self, change: &Change, user: UserId, id: GrantId) -> Result<(), Failure> {
        let txn = self.database.begin().await?;
        if !grant_delete_in_txn(&txn, change, Grantee::User(user), id, self.now()).await? {
            return Err(Failure::NotFound(format!("grant {id} of user {user}")));
        }
        administrator_check_in_txn(&txn).await?;
        txn.commit().await?;
        self.identities.refresh().await?;
        tracing::info!(user.id = %user, grant.id = %id, "right revoked");
        Ok(())
    }

    async fn check_place(&self, place: &Where) -> Result<(), Failure> {
        let exists = match place {
            Where::Domain(id) => domain_get(&self.database, &Scope::All, *id).await?.is_some(),
            Where::Automation(id) => automation_get(&self.database, &Scope::All, *id).await?.is_some(),
            Where::Everywhere | Where::Label(_) => true,
        };
        match place {
            Where::Domain(_) if !exists => Err(Failure::field("domain_id", "is no domain")),
            Where::Automation(_) if !exists => Err(Failure::field("automation_id", "is no automation")),
            _ => Ok(()),
        }
    }
}

fn already_held() -> Failure {
    Failure::conflict("already_granted", "the user has this grant already")
}

/// The grant of a request, whose place may not exist.
fn parsed(request: GrantCreate) -> Result<Grant, Failure> {
    let GrantCreate { right, domain_id, automation_id, label } = request;
    let right = right.parse().map_err(|unknown: UnknownRight| Failure::field("right", unknown.to_string()))?;
    let place = Where::named(domain_id, automation_id, label).map_err(|fault| Failure::Invalid(vec![fault]))?;
    let grant = Grant { right, place };
    let faults = grant.faults();
    if faults.is_empty() { Ok(grant) } else { Err(Failure::Invalid(faults)) }
}

pub(super) fn to_api(held: Held) -> api_types::Grant {
    let Held { id, grantee: _, grant: Grant { right, place }, source, granted_by, granted_at } = held;
    let (domain_id, automation_id, label) = place.names();
    api_types::Grant { id, right, domain_id, automation_id, label, source, granted_by, granted_at }
}
