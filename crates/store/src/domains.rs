//! Domains: business areas that own automations.

use chrono::{DateTime, Utc};
use domain::{Scope, ids::DomainId, permission::Where, scope::Places};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use crate::{
    Database, Error,
    changes::{Subject, change_add_in_txn},
    entity::{
        automation,
        domain::{ActiveModel, Column, Entity, Model},
    },
    grants::grant_delete_at_in_txn,
    scope,
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

/// Outcome of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone, with the grants that it was the place of.
    Done,
    /// There is no such domain.
    Missing,
    /// This many automations belong to it, archived ones included.
    Owns(u64),
}

/// Adds a domain.
///
/// # Errors
/// [`Error::Duplicate`] when the slug is taken.
pub async fn domain_insert(database: &Database, domain: &Domain) -> Result<(), Error> {
    let row = ActiveModel {
        id: Set(domain.id.get()),
        slug: Set(domain.slug.clone()),
        name: Set(domain.name.clone()),
        created_at: Set(domain.created_at),
        updated_at: Set(domain.updated_at),
    };
    Entity::insert(row).exec_without_returning(database.connection()).await?;
    Ok(())
}

/// Changes slug, name and time of change; `false` when there is no such domain.
///
/// # Errors
/// [`Error::Duplicate`] when the slug is taken.
pub async fn domain_update(database: &Database, domain: &Domain) -> Result<bool, Error> {
    let row = ActiveModel {
        slug: Set(domain.slug.clone()),
        name: Set(domain.name.clone()),
        updated_at: Set(domain.updated_at),
        ..Default::default()
    };
    let update = Entity::update_many().set(row).filter(Column::Id.eq(domain.id.get()));
    Ok(update.exec(database.connection()).await?.rows_affected == 1)
}

/// Deletes a domain that owns no automation.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn domain_delete(database: &Database, id: DomainId) -> Result<Deletion, Error> {
    let txn = database.begin().await?;
    // Blocks changes of automations: none joins the domain meanwhile.
    change_add_in_txn(&txn, Subject::Automations).await?;
    let owned = automation::Entity::find().filter(automation::Column::DomainId.eq(id.get())).count(&txn.0).await?;
    if owned > 0 {
        return Ok(Deletion::Owns(owned));
    }
    if Entity::delete_by_id(id.get()).exec(&txn.0).await?.rows_affected == 0 {
        return Ok(Deletion::Missing);
    }
    grant_delete_at_in_txn(&txn, &Where::Domain(id)).await?;
    txn.commit().await?;
    Ok(Deletion::Done)
}

/// One domain.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn domain_get(database: &Database, scope: &Scope, id: DomainId) -> Result<Option<Domain>, Error> {
    Ok(Entity::find_by_id(id.get()).filter(in_scope(scope)).one(database.connection()).await?.map(from_row))
}

/// The domain with this slug.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn domain_find(database: &Database, scope: &Scope, slug: &str) -> Result<Option<Domain>, Error> {
    Ok(Entity::find().filter(Column::Slug.eq(slug)).filter(in_scope(scope)).one(database.connection()).await?.map(from_row))
}

/// Domains by slug, from the one after `after`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn domain_list(database: &Database, scope: &Scope, after: Option<&str>, limit: u64) -> Result<Vec<Domain>, Error> {
    let mut query = Entity::find().filter(in_scope(scope)).order_by_asc(Column::Slug).limit(limit);
    if let Some(after) = after {
        query = query.filter(Column::Slug.gt(after));
    }
    Ok(query.all(database.connection()).await?.into_iter().map(from_row).collect())
}

/// A domain is in scope if it is a place of it, or owns an automation in scope.
fn in_scope(scope: &Scope) -> Condition {
    let Scope::Only(Places { domains, .. }) = scope else { return Condition::all() };
    let owners = automation::Entity::find().select_only().column(automation::Column::DomainId);
    let owners = owners.filter(Condition::all().add_option(scope::has_automation(scope)).add(automation::Column::DomainId.is_not_null()));
    Condition::any().add(Column::Id.is_in(domains.iter().map(|id| id.get()))).add(Column::Id.in_subquery(owners.into_query()))
}

fn from_row(row: Model) -> Domain {
    let Model { id, slug, name, created_at, updated_at } = row;
    Domain { id: id.into(), slug, name, created_at, updated_at }
}
