//! Domains: business areas that own automations.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::{
    Scope,
    audit::{Change, Target},
    ids::DomainId,
    permission::Where,
    scope::Places,
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::LockType,
};
use uuid::Uuid;

use crate::{
    Database, Error, Transaction,
    audit::{NONE, audit_record_in_txn},
    changes::{Subject, change_add_in_txn},
    entity::{
        automation,
        domain::{ActiveModel, Column, Entity, Model},
    },
    grants::grant_delete_at_in_txn,
    report_plans::report_plan_list_of_domain_in_txn,
    scope,
    slas::sla_list_of_domain_in_txn,
};

/// A business area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Id, UUID v7.
    pub id: DomainId,
    /// Unique name for programs.
    pub slug: String,
    /// Name for people.
    pub name: String,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// Selects domains of a list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only the one with this slug.
    pub slug: Option<String>,
    /// Slug of the last domain of the previous page.
    pub after: Option<String>,
    /// Page size.
    pub limit: u64,
}

/// SLA rules that an answer names.
const MAX_NAMED: u64 = 20;

/// Outcome of a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone, with the grants that it was the place of.
    Done,
    /// There is no such domain.
    Missing,
    /// This many automations belong to it, archived ones included.
    Owns(u64),
    /// SLA rules are about it.
    Watched {
        /// How many.
        count: u64,
        /// The names of the first ones.
        names: Vec<String>,
    },
    /// Report plans are about it.
    Reported {
        /// How many.
        count: u64,
        /// The names of the first ones.
        names: Vec<String>,
    },
}

/// Adds a domain.
///
/// # Errors
/// [`Error::Duplicate`] when the slug is taken.
pub async fn domain_insert(database: &Database, change: &Change, domain: &Domain) -> Result<(), Error> {
    let row = ActiveModel {
        id: Set(domain.id.get()),
        slug: Set(domain.slug.clone()),
        name: Set(domain.name.clone()),
        created_at: Set(domain.created_at),
        updated_at: Set(domain.updated_at),
    };
    let txn = database.begin().await?;
    let row = row.insert(&txn.0).await?;
    audit_record_in_txn(&txn, change, ("domain.create", target(domain.id)), (NONE, Some(&row)), domain.created_at).await?;
    txn.commit().await
}

/// Changes slug, name and time of change; `false` when there is no such domain.
///
/// # Errors
/// [`Error::Duplicate`] when the slug is taken.
pub async fn domain_update(database: &Database, change: &Change, domain: &Domain) -> Result<bool, Error> {
    let txn = database.begin().await?;
    let Some(before) = Entity::find_by_id(domain.id.get()).lock_exclusive().one(&txn.0).await? else { return Ok(false) };
    let row = ActiveModel {
        id: Unchanged(domain.id.get()),
        slug: Set(domain.slug.clone()),
        name: Set(domain.name.clone()),
        updated_at: Set(domain.updated_at),
        ..Default::default()
    };
    let after = row.update(&txn.0).await?;
    let about = ("domain.update", target(domain.id));
    audit_record_in_txn(&txn, change, about, (Some(&before), Some(&after)), domain.updated_at).await?;
    txn.commit().await?;
    Ok(true)
}

/// Deletes a domain that owns no automation and that no SLA rule and no report plan is about, with the grants that were narrowed to it.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn domain_delete(database: &Database, change: &Change, id: DomainId, now: DateTime<Utc>) -> Result<Deletion, Error> {
    let txn = database.begin().await?;
    // Blocks changes of automations: none joins the domain meanwhile.
    change_add_in_txn(&txn, Subject::Automations).await?;
    let owned = automation::Entity::find().filter(automation::Column::DomainId.eq(id.get())).count(&txn.0).await?;
    if owned > 0 {
        return Ok(Deletion::Owns(owned));
    }
    // Whoever makes a rule about it waits from here on, and then finds it gone: see `domain_hold_in_txn`.
    let Some(before) = Entity::find_by_id(id.get()).lock_exclusive().one(&txn.0).await? else { return Ok(Deletion::Missing) };
    let (count, names) = sla_list_of_domain_in_txn(&txn, id, MAX_NAMED).await?;
    if count > 0 {
        return Ok(Deletion::Watched { count, names });
    }
    let (count, names) = report_plan_list_of_domain_in_txn(&txn, id, MAX_NAMED).await?;
    if count > 0 {
        return Ok(Deletion::Reported { count, names });
    }
    Entity::delete_by_id(id.get()).exec(&txn.0).await?;
    grant_delete_at_in_txn(&txn, change, &Where::Domain(id), now).await?;
    audit_record_in_txn(&txn, change, ("domain.delete", target(id)), (Some(&before), NONE), now).await?;
    txn.commit().await?;
    Ok(Deletion::Done)
}

fn target(id: DomainId) -> Target {
    Target::new("domain", id)
}

/// Whether there is such a domain. Whoever calls it blocks changes of automations.
pub(crate) async fn domain_exists_in_txn(txn: &Transaction, id: DomainId) -> Result<bool, Error> {
    Ok(Entity::find_by_id(id.get()).count(&txn.0).await? == 1)
}

/// Whether there is such a domain, which is not deleted before the transaction ends.
pub(crate) async fn domain_hold_in_txn(txn: &Transaction, id: DomainId) -> Result<bool, Error> {
    let held = Entity::find_by_id(id.get()).select_only().column(Column::Id).lock(LockType::KeyShare);
    Ok(held.into_tuple::<Uuid>().one(&txn.0).await?.is_some())
}

/// One domain.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn domain_get(database: &Database, scope: &Scope, id: DomainId) -> Result<Option<Domain>, Error> {
    Ok(Entity::find_by_id(id.get()).filter(in_scope(scope)).one(database.connection()).await?.map(from_row))
}

/// Domains by slug.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn domain_list(database: &Database, scope: &Scope, filter: &Filter) -> Result<Vec<Domain>, Error> {
    let mut query = Entity::find().filter(in_scope(scope)).order_by_asc(Column::Slug).limit(filter.limit);
    if let Some(slug) = &filter.slug {
        query = query.filter(Column::Slug.eq(slug));
    }
    if let Some(after) = &filter.after {
        query = query.filter(Column::Slug.gt(after));
    }
    Ok(query.all(database.connection()).await?.into_iter().map(from_row).collect())
}

/// The slugs of these domains, by id.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn domain_list_slugs_unscoped(database: &Database, ids: &BTreeSet<DomainId>) -> Result<BTreeMap<DomainId, String>, Error> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let query = Entity::find().select_only().columns([Column::Id, Column::Slug]);
    let query = query.filter(Column::Id.is_in(ids.iter().map(|id| id.get())));
    let rows: Vec<(Uuid, String)> = query.into_tuple().all(database.connection()).await?;
    Ok(rows.into_iter().map(|(id, slug)| (id.into(), slug)).collect())
}

/// A domain is in scope if it is a place of it, or owns an automation in scope.
fn in_scope(scope: &Scope) -> Condition {
    let Scope::Only(Places { domains, .. }) = scope else { return Condition::all() };
    let named = domains.iter().filter(|id| scope.has_domain(Some(**id)));
    let owners = automation::Entity::find().select_only().column(automation::Column::DomainId);
    let owners = owners.filter(Condition::all().add_option(scope::has_automation(scope)).add(automation::Column::DomainId.is_not_null()));
    Condition::any().add(Column::Id.is_in(named.map(|id| id.get()))).add(Column::Id.in_subquery(owners.into_query()))
}

fn from_row(row: Model) -> Domain {
    let Model { id, slug, name, created_at, updated_at } = row;
    Domain { id: id.into(), slug, name, created_at, updated_at }
}
