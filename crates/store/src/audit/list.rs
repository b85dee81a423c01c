use chrono::{DateTime, Utc};
use domain::{
    audit::{Filter, Recorded},
    ids::AuditId,
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{Link, from_row};
use crate::{
    Database, Error,
    entity::{
        audit_chain,
        audit_entry::{Column, Entity},
    },
};

/// Entries, newest first, with their place in the chain; `None`: not sealed yet. `after` is the last of the previous page.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn audit_list(
    database: &Database,
    filter: &Filter,
    after: Option<AuditId>,
    limit: u64,
) -> Result<Vec<(Recorded, Option<Link>)>, Error> {
    let before = after.map(|after| Column::Id.lt(after.get()));
    let query = Entity::find().filter(matching(filter).add_option(before)).order_by_desc(Column::Id).limit(limit);
    let rows = query.find_also_related(audit_chain::Entity).all(database.connection()).await?;
    rows.into_iter().map(|(entry, link)| Ok((from_row(entry)?, link.map(Link::from)))).collect()
}

/// Entries that are sealed behind the link `after` and up to the link `upto`, in the order of the chain.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn audit_list_sealed(database: &Database, filter: &Filter, after: i64, upto: i64) -> Result<Vec<(Recorded, Link)>, Error> {
    let seq = audit_chain::Column::Seq;
    let query = audit_chain::Entity::find().filter(seq.gt(after)).filter(seq.lte(upto)).order_by_asc(seq);
    let rows = query.find_also_related(Entity).filter(matching(filter)).all(database.connection()).await?;
    // An entry that is gone is the verifier's to report.
    rows.into_iter().filter_map(|(link, entry)| Some((entry?, link))).map(|(entry, link)| Ok((from_row(entry)?, link.into()))).collect()
}

fn matching(filter: &Filter) -> Condition {
    let Filter { actor, action, target_kind, target_id, from, to } = filter;
    let ids = |at: &DateTime<Utc>| Column::Id.gte(first_id(*at));
    Condition::all()
        .add_option(actor.as_ref().map(|actor| Column::Actor.eq(actor)))
        .add_option(action.as_ref().map(|action| Column::Action.eq(action)))
        .add_option(target_kind.as_ref().map(|kind| Column::TargetKind.eq(kind)))
        .add_option(target_id.as_ref().map(|id| Column::TargetId.eq(id)))
        // By id as well, which has an index.
        .add_option(from.as_ref().map(ids))
        .add_option(from.map(|from| Column::At.gte(from)))
        .add_option(to.as_ref().map(|to| Column::Id.lt(first_id(*to + chrono::TimeDelta::milliseconds(1)))))
        .add_option(to.map(|to| Column::At.lt(to)))
}

/// No id of this moment is lower.
fn first_id(at: DateTime<Utc>) -> uuid::Uuid {
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
}
