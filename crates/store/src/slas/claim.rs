use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::{
    alert::{Key, Observation},
    ids::{AutomationId, SlaId},
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{LockBehavior, LockType},
};

use super::{
    Sla, State,
    row::from_row,
    states::{delete_in_txn, ends_delete_in_txn, put_in_txn},
};
use crate::{
    Database, Error, Transaction,
    alerts::{AlertChange, alert_observe_in_txn},
    database::MOST_ATTEMPTS,
    entity::sla,
    schedules::to_micros,
};

/// A claim of rules that are due.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Those that a monitor must look at by then.
    pub now: DateTime<Utc>,
    /// When another replica may take them over. Later than `now`.
    pub until: DateTime<Utc>,
    /// At most so many.
    pub limit: u64,
}

/// What was found about a rule that was claimed.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The rule.
    pub id: SlaId,
    /// When to look at it next; `None`: when something changes.
    pub wake_at: Option<DateTime<Utc>>,
    /// Whether each run that ends is a reason to look.
    pub follows: bool,
    /// What is told.
    pub observations: Vec<Observation>,
    /// What is remembered.
    pub states: Vec<State>,
    /// What does not apply any more.
    pub gone: Vec<Key>,
    /// The automations whose ended runs were looked at.
    pub ends: Vec<AutomationId>,
}

/// Claims rules that a monitor must look at, those first that wait longest, without those that another replica is claiming. Their `wake_at` is the end
/// of the claim then.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_claim(database: &Database, claim: &Claim) -> Result<Vec<Sla>, Error> {
    use sla::Column as C;
    let until = to_micros(claim.until);
    let txn = database.begin().await?;
    let due = sla::Entity::find()
        .filter(C::WakeAt.lte(claim.now))
        .order_by_asc(C::WakeAt)
        .limit(claim.limit)
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked);
    let rows = due.all(&txn.0).await?;
    if !rows.is_empty() {
        let row = sla::ActiveModel { wake_at: Set(Some(until)), ..Default::default() };
        sla::Entity::update_many().set(row).filter(C::Id.is_in(rows.iter().map(|row| row.id))).exec(&txn.0).await?;
    }
    txn.commit().await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        match from_row(sla::Model { wake_at: Some(until), ..row }) {
            Ok(sla) => found.push(sla),
            // It must not keep the others from being judged; it is looked at again when the claim ends.
            Err(error) => tracing::error!(%error, "an SLA rule cannot be read"),
        }
    }
    Ok(found)
}

/// Writes what was found about rules that were claimed until `until`, in one transaction, and returns what changed. Of a rule that was changed, woken
/// or taken over meanwhile nothing is written: it is judged again.
///
/// # Errors
/// Any [`Error`] of the database: nothing is written.
pub async fn sla_finish(
    database: &Database,
    until: DateTime<Utc>,
    judged: &[Judged],
    now: DateTime<Utc>,
) -> Result<Vec<AlertChange>, Error> {
    // In one order everywhere, so that two replicas do not wait for each other.
    let mut judged: Vec<&Judged> = judged.iter().collect();
    judged.sort_unstable_by_key(|one| one.id);
    // As `Database::in_transaction` does, whose closure would borrow: the future of that is not `Send`, and the loop that calls this is a task.
    let mut attempt = 1;
    loop {
        match finish(database, to_micros(until), &judged, now).await {
            Err(Error::Conflict(_)) if attempt < MOST_ATTEMPTS => attempt += 1,
            outcome => return outcome,
        }
    }
}

async fn finish(database: &Database, until: DateTime<Utc>, judged: &[&Judged], now: DateTime<Utc>) -> Result<Vec<AlertChange>, Error> {
    let txn = database.begin().await?;
    let ours = held_in_txn(&txn, until, judged).await?;
    let ours: Vec<&&Judged> = judged.iter().filter(|one| ours.contains(&one.id)).collect();
    write_in_txn(&txn, &ours).await?;
    let observations: Vec<Observation> = ours.iter().flat_map(|one| one.observations.iter().cloned()).collect();
    let changes = if observations.is_empty() { Vec::new() } else { alert_observe_in_txn(&txn, &observations, now).await? };
    txn.commit().await?;
    Ok(changes)
}

/// Those of the rules whose claim still holds, locked.
async fn held_in_txn(txn: &Transaction, until: DateTime<Utc>, judged: &[&Judged]) -> Result<BTreeSet<SlaId>, Error> {
    use sla::Column as C;
    let query = sla::Entity::find().select_only().column(C::Id).filter(C::Id.is_in(judged.iter().map(|one| one.id.get())));
    let query = query.filter(C::WakeAt.eq(until)).order_by_asc(C::Id).lock(LockType::NoKeyUpdate);
    let held: Vec<sea_orm::prelude::Uuid> = query.into_tuple().all(&txn.0).await?;
    Ok(held.into_iter().map(SlaId::from).collect())
}

async fn write_in_txn(txn: &Transaction, judged: &[&&Judged]) -> Result<(), Error> {
    use sla::Column as C;
    // Many rules have the same next time: a daily deadline, a look each 15 s.
    let mut by_outcome: std::collections::BTreeMap<(Option<DateTime<Utc>>, bool), Vec<SlaId>> = std::collections::BTreeMap::new();
    for one in judged {
        by_outcome.entry((one.wake_at, one.follows)).or_default().push(one.id);
    }
    for ((wake_at, follows), ids) in by_outcome {
        let row = sla::ActiveModel { wake_at: Set(wake_at), follows: Set(follows), ..Default::default() };
        sla::Entity::update_many().set(row).filter(C::Id.is_in(ids.iter().map(|id| id.get()))).exec(&txn.0).await?;
    }
    let states: Vec<&State> = judged.iter().flat_map(|one| &one.states).collect();
    put_in_txn(txn, &states).await?;
    let gone: Vec<&Key> = judged.iter().flat_map(|one| &one.gone).collect();
    delete_in_txn(txn, &gone).await?;
    let ends: Vec<(SlaId, AutomationId)> = judged.iter().flat_map(|one| one.ends.iter().map(|end| (one.id, *end))).collect();
    ends_delete_in_txn(txn, &ends).await
}
