use chrono::{DateTime, Utc};
use domain::{
    hook::{KeptHeaders, Outcome},
    ids::{HookDeliveryId, HookId, JobId},
};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::Set,
    ColumnTrait, Condition, EntityTrait, IntoActiveModel, Iterable, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, OnConflict},
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::to_json;
use crate::{
    Database, Error,
    entity::hook_delivery::{ActiveModel, Column, Entity, Model},
    id_range::first_id,
};

/// What came to a hook, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Id, UUID v7 of the time of receipt.
    pub id: HookDeliveryId,
    /// The hook.
    pub hook_id: HookId,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// What became of it.
    pub outcome: Outcome,
    /// The status that was answered; 0: none yet.
    pub status: u16,
    /// Why, for people.
    pub reason: Option<String>,
    /// Its key among the deliveries of the hook.
    pub dedup_key: Option<String>,
    /// Parameters that its job is asked for with.
    pub parameters: Option<Map<String, Value>>,
    /// Its job.
    pub job_id: Option<JobId>,
    /// Address that it came from.
    pub address: Option<String>,
    /// Id of the request, which log lines have too.
    pub request_id: Option<String>,
    /// Headers that are kept.
    pub headers: KeptHeaders,
    /// The body, unless it is too large to keep.
    pub body: Option<Vec<u8>>,
    /// Size of the body.
    pub body_bytes: i64,
    /// The delivery whose request this one repeats.
    pub redelivery_of: Option<HookDeliveryId>,
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    /// What became of it.
    pub outcome: Outcome,
    /// The status that is answered.
    pub status: u16,
    /// Why, for people.
    pub reason: Option<String>,
    /// Its job.
    pub job_id: Option<JobId>,
    /// Whether it keeps the claim of its key: not when no job will ever come of it, so that the same request may be tried anew.
    pub keeps_claim: bool,
}

/// Adds a delivery that claims nothing.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn delivery_insert(database: &Database, delivery: &Delivery) -> Result<(), Error> {
    let row = to_row(delivery, None)?;
    Entity::insert(row.into_active_model().reset_all()).exec_without_returning(database.connection()).await?;
    Ok(())
}

/// Adds a delivery that claims its key. `Some`: another has claimed it, and nothing was added.
///
/// # Errors
/// [`Error::Conflict`] when the other one vanished in between, several times.
pub async fn delivery_claim(database: &Database, delivery: &Delivery) -> Result<Option<Delivery>, Error> {
    const TIMES: usize = 3;
    let row = to_row(delivery, delivery.dedup_key.clone())?;
    let claimed = Condition::all().add(Column::HookId.eq(row.hook_id)).add(Column::Claim.eq(row.claim.clone()));
    for _ in 0..TIMES {
        let once = OnConflict::columns([Column::HookId, Column::Claim]).do_nothing().to_owned();
        let insert = Entity::insert(row.clone().into_active_model().reset_all()).on_conflict(once);
        if insert.exec_without_returning(database.connection()).await? == 1 {
            return Ok(None);
        }
        if let Some(other) = Entity::find().filter(claimed.clone()).one(database.connection()).await? {
            return from_row(other).map(Some);
        }
    }
    Err(Error::Conflict(format!("the key of delivery {} is claimed and given up again and again", delivery.id)))
}

/// Records how a delivery ended.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn delivery_finish(database: &Database, id: HookDeliveryId, finish: &Finish) -> Result<(), Error> {
    let mut row = ActiveModel {
        outcome: Set(finish.outcome.as_str().to_owned()),
        status: Set(finish.status.into()),
        reason: Set(finish.reason.clone()),
        job_id: Set(finish.job_id.map(JobId::get)),
        ..Default::default()
    };
    if !finish.keeps_claim {
        row.claim = Set(None);
    }
    Entity::update_many().set(row).filter(Column::Id.eq(id.get())).exec(database.connection()).await?;
    Ok(())
}

/// One delivery of a hook, whose scope the caller has checked.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn delivery_get_unscoped(database: &Database, hook: HookId, id: HookDeliveryId) -> Result<Option<Delivery>, Error> {
    let found = Entity::find_by_id(id.get()).filter(Column::HookId.eq(hook.get())).one(database.connection()).await?;
    found.map(from_row).transpose()
}

/// Deliveries of a hook, whose scope the caller has checked, newest first, without their bodies.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn delivery_list_unscoped(
    database: &Database,
    hook: HookId,
    (outcome, after, limit): (Option<Outcome>, Option<HookDeliveryId>, u64),
) -> Result<Vec<Delivery>, Error> {
    let wanted = Condition::all()
        .add(Column::HookId.eq(hook.get()))
        .add_option(outcome.map(|outcome| Column::Outcome.eq(outcome.as_str())))
        .add_option(after.map(|after| Column::Id.lt(after.get())));
    let query = Entity::find()
        .select_only()
        .columns(Column::iter().filter(|column| !matches!(column, Column::Body)))
        .expr_as(Expr::val(Option::<Vec<u8>>::None), "body");
    let rows = query.filter(wanted).order_by_desc(Column::Id).limit(limit).all(database.connection()).await?;
    rows.into_iter().map(from_row).collect()
}

/// Deletes at most `limit` deliveries that were received before `before`, and takes the content of at most so many others: of those of each hook
/// that at least `whole` newer ones follow, and that have ended. Returns both numbers.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn retention_hook_deliveries(
    database: &Database,
    before: DateTime<Utc>,
    (whole, limit): (u64, u64),
) -> Result<(u64, u64), Error> {
    let connection = database.connection();
    let ids = |of: Select<Entity>| of.select_only().column(Column::Id).order_by_asc(Column::Id).limit(limit).into_query();
    let old = ids(Entity::find().filter(Column::Id.lt(first_id(before))));
    let deleted = Entity::delete_many().filter(Column::Id.in_subquery(old)).exec(connection).await?.rows_affected;
    let hooks: Vec<Uuid> = super::Entity::find().select_only().column(super::Column::Id).into_tuple().all(connection).await?;
    let mut emptied = 0;
    for hook in hooks {
        let of_hook = || Entity::find().filter(Column::HookId.eq(hook));
        let last = of_hook().select_only().column(Column::Id).order_by_desc(Column::Id).offset(whole).limit(1);
        let Some(last) = last.into_tuple::<Uuid>().one(connection).await? else { continue };
        let has_content = Condition::any().add(Column::Body.is_not_null()).add(Column::Parameters.is_not_null());
        let ended = of_hook().filter(Column::Id.lte(last)).filter(has_content).filter(Column::Outcome.ne(Outcome::Pending.as_str()));
        let empty = ActiveModel { body: Set(None), parameters: Set(None), ..Default::default() };
        emptied += Entity::update_many().set(empty).filter(Column::Id.in_subquery(ids(ended))).exec(connection).await?.rows_affected;
    }
    Ok((deleted, emptied))
}

fn to_row(delivery: &Delivery, claim: Option<String>) -> Result<Model, Error> {
    let Delivery { id, hook_id, received_at, outcome, status, reason, dedup_key, parameters, job_id, address, request_id, .. } =
        delivery.clone();
    let Delivery { headers, body, body_bytes, redelivery_of, .. } = delivery.clone();
    Ok(Model {
        id: id.get(),
        hook_id: hook_id.get(),
        received_at,
        outcome: outcome.as_str().to_owned(),
        status: status.into(),
        reason,
        dedup_key,
        claim,
        parameters: parameters.map(|parameters| Value::Object(parameters).to_string()),
        job_id: job_id.map(JobId::get),
        address,
        request_id,
        headers: to_json(&headers)?,
        body,
        body_bytes,
        redelivery_of: redelivery_of.map(HookDeliveryId::get),
    })
}

fn from_row(row: Model) -> Result<Delivery, Error> {
    let corrupt = |column: &str| Error::Corrupt(format!("hook_deliveries.{column} of {}", row.id));
    let parameters = row.parameters.as_deref().map(serde_json::from_str).transpose();
    Ok(Delivery {
        id: row.id.into(),
        hook_id: row.hook_id.into(),
        received_at: row.received_at,
        outcome: Outcome::parse(&row.outcome).ok_or_else(|| corrupt("outcome"))?,
        status: u16::try_from(row.status).map_err(|_| corrupt("status"))?,
        parameters: parameters.map_err(|_| corrupt("parameters"))?,
        headers: serde_json::from_value(row.headers.clone()).map_err(|_| corrupt("headers"))?,
        reason: row.reason,
        dedup_key: row.dedup_key,
        job_id: row.job_id.map(JobId::from),
        address: row.address,
        request_id: row.request_id,
        body: row.body,
        body_bytes: row.body_bytes,
        redelivery_of: row.redelivery_of.map(HookDeliveryId::from),
    })
}
