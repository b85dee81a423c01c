//! API keys, as their owners and administrators manage them. A key cannot manage keys: only a person who signed in can.
//!
//! What must hold: the key is in one answer and nowhere else; a revocation counts at once on this replica; whether a key of somebody else exists
//! is not told.

pub(crate) mod routes;

use std::collections::HashMap;

use api_types::{ApiKeyCreate, ApiKeyCreated, ApiKeyFilter, KeyGrant};
use auth::{Principal, TokenDigest, api_key_shown};
use chrono::{DateTime, Datelike as _, SubsecRound as _, Utc};
use domain::{
    Fault,
    audit::Change,
    ids::{ApiKeyId, UserId},
    permission::{Grant, Grantee, Permission, Where},
    user::{DISPLAY_NAME_RULE, is_display_name},
};
use runtime::{Clock, Failure, Identities};
use secrecy::ExposeSecret as _;
use store::{
    Database,
    api_keys::{ApiKey, api_key_get_unscoped, api_key_insert, api_key_list_unscoped, api_key_revoke},
    grants::grant_list_of_keys_unscoped,
    identity::user_get,
};
use uuid::Uuid;

/// Grants of one key.
const MOST_GRANTS: usize = 100;

/// Manages API keys.
pub(crate) struct ApiKeys {
    pub(crate) database: Database,
    pub(crate) identities: Identities,
    pub(crate) clock: Clock,
}

/// The person who manages keys.
pub(crate) struct Manager<'a> {
    pub(crate) user: UserId,
    pub(crate) principal: &'a Principal,
}

impl Manager<'_> {
    /// Checks that they may manage keys of `owner`.
    fn check(&self, owner: UserId) -> Result<(), Failure> {
        if owner == self.user { Ok(()) } else { Ok(self.principal.require(Permission::AdminManage)?) }
    }
}

impl ApiKeys {
    pub(crate) async fn create(&self, by: Manager<'_>, change: &Change, request: ApiKeyCreate) -> Result<ApiKeyCreated, Failure> {
        let now = (self.clock)();
        let owner = request.owner_id.unwrap_or(by.user);
        by.check(owner)?;
        let grants = check(&request, now)?;
        let is_known = user_get(&self.database, owner).await?.is_some_and(|owner| owner.is_active);
        if !is_known {
            return Err(Failure::field("owner_id", "is no user who may sign in"));
        }
        let secret = auth::api_key();
        let key = ApiKey {
            id: Uuid::now_v7().into(),
            owner,
            name: request.name,
            prefix: api_key_shown(secret.expose_secret()).to_owned(),
            digest: TokenDigest::of(&secret).to_hex(),
            created_at: now,
            expires_at: request.expires_at.map(|at| at.trunc_subsecs(6)),
            revoked_at: None,
            revoked_by: None,
            last_used_at: None,
        };
        api_key_insert(&self.database, &key, &grants, change).await?;
        tracing::info!(api_key.id = %key.id, api_key.name = key.name, user.id = %owner, "API key created");
        let kept = self.shown(vec![key]).await?.pop().ok_or_else(|| Failure::Internal("the key vanished".to_owned()))?;
        Ok(ApiKeyCreated { key: secret.expose_secret().to_owned(), kept })
    }

    pub(crate) async fn list(&self, by: Manager<'_>, filter: &ApiKeyFilter, limit: u32) -> Result<Vec<api_types::ApiKey>, Failure> {
        if filter.all {
            by.principal.require(Permission::AdminManage)?;
        }
        let owner = filter.owner_id.or(Some(by.user).filter(|_| !filter.all));
        if let Some(owner) = owner {
            by.check(owner)?;
        }
        self.shown(api_key_list_unscoped(&self.database, owner, filter.after, limit.into()).await?).await
    }

    pub(crate) async fn get(&self, by: Manager<'_>, id: ApiKeyId) -> Result<api_types::ApiKey, Failure> {
        let key = self.find(&by, id).await?;
        self.shown(vec![key]).await?.pop().ok_or_else(|| missing(id))
    }

    pub(crate) async fn revoke(&self, by: Manager<'_>, change: &Change, id: ApiKeyId) -> Result<(), Failure> {
        self.find(&by, id).await?;
        if !api_key_revoke(&self.database, id, change, (self.clock)()).await? {
            return Err(missing(id));
        }
        self.identities.refresh().await?;
        tracing::info!(api_key.id = %id, user.id = %by.user, "API key revoked");
        Ok(())
    }

    async fn find(&self, by: &Manager<'_>, id: ApiKeyId) -> Result<ApiKey, Failure> {
        let found = api_key_get_unscoped(&self.database, id).await?;
        found.filter(|key| by.check(key.owner).is_ok()).ok_or_else(|| missing(id))
    }

    async fn shown(&self, keys: Vec<ApiKey>) -> Result<Vec<api_types::ApiKey>, Failure> {
        let ids: Vec<ApiKeyId> = keys.iter().map(|key| key.id).collect();
        let held = grant_list_of_keys_unscoped(&self.database, &ids).await?;
        let mut owners = HashMap::new();
        let mut shown = Vec::with_capacity(keys.len());
        for key in keys {
            let owner = match owners.get(&key.owner) {
                Some(name) => String::clone(name),
                None => user_get(&self.database, key.owner).await?.map(|user| user.username).unwrap_or_default(),
            };
            owners.insert(key.owner, owner.clone());
            let grants = held.iter().filter(|held| held.grantee == Grantee::ApiKey(key.id)).map(|held| to_api_grant(&held.grant)).collect();
            shown.push(to_api(key, owner, grants));
        }
        Ok(shown)
    }
}

/// The grants of a new key.
fn check(request: &ApiKeyCreate, now: DateTime<Utc>) -> Result<Vec<Grant>, Failure> {
    let mut faults = Vec::new();
    let mut want = |fine: bool, field: &str, message: &str| {
        if !fine {
            faults.push(Fault::new(field, message));
        }
    };
    want(is_display_name(&request.name), "name", DISPLAY_NAME_RULE);
    want(request.expires_at.is_none_or(|at| at > now), "expires_at", "must be in the future");
    want(request.expires_at.is_none_or(|at| (1..=9999).contains(&at.year())), "expires_at", "must be in the years 1 to 9999");
    want((1..=MOST_GRANTS).contains(&request.grants.len()), "grants", "must have 1 to 100 grants");
    let mut grants = Vec::with_capacity(request.grants.len());
    for (nth, given) in request.grants.iter().enumerate() {
        match to_grant(given) {
            Ok(grant) => {
                faults.extend(grant.faults().into_iter().map(|fault| fault.under(&format!("grants/{nth}"))));
                grants.push(grant);
            }
            Err(fault) => faults.push(fault.under(&format!("grants/{nth}"))),
        }
    }
    if faults.is_empty() { Ok(grants) } else { Err(Failure::Invalid(faults)) }
}

fn to_grant(given: &KeyGrant) -> Result<Grant, Fault> {
    let KeyGrant { right, domain_id, automation_id, label } = given.clone();
    Ok(Grant { right, place: Where::named(domain_id, automation_id, label)? })
}

fn to_api_grant(Grant { right, place }: &Grant) -> KeyGrant {
    let (domain_id, automation_id, label) = place.clone().names();
    KeyGrant { right: *right, domain_id, automation_id, label }
}

fn to_api(key: ApiKey, owner: String, grants: Vec<KeyGrant>) -> api_types::ApiKey {
    let ApiKey { id, owner: owner_id, name, prefix, digest: _, created_at, expires_at, revoked_at, revoked_by, last_used_at } = key;
    api_types::ApiKey { id, owner_id, owner, name, prefix, grants, created_at, expires_at, revoked_at, revoked_by, last_used_at }
}

fn missing(id: ApiKeyId) -> Failure {
    Failure::NotFound(format!("API key {id}"))
}
