use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::{
    ids::ScheduleId,
    schedule::{ScheduleState, StateReason},
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IdenStatic, QueryFilter, QueryOrder, QuerySelect, StatementBuilder,
    sea_query::{Expr, ExprTrait, IntoIden, LockBehavior, LockType, Query, TableRef, UpdateStatement, Value, ValueTuple},
};
use uuid::Uuid;

use super::{Fire, Schedule, fires::fire_put_in_txn, from_row, to_micros};
use crate::{
    Database, Error,
    database::MOST_ATTEMPTS,
    entity::{schedule, schedule_pause},
    statement_text::{StatementTexts, cells},
};

/// Rows of one statement: databases bound its parameters.
const MOST_ROWS: usize = 128;

/// A claim of schedules that are due.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Those that a scheduler must look at by then.
    pub now: DateTime<Utc>,
    /// When another replica may take them over. Later than `now`.
    pub until: DateTime<Utc>,
    /// At most so many.
    pub limit: u64,
}

/// What a scheduler decided about a schedule that it claimed.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The schedule.
    pub id: ScheduleId,
    /// The last decided slot.
    pub cursor_at: DateTime<Utc>,
    /// When to look at it next; `None`: when somebody changes something.
    pub wake_at: Option<DateTime<Utc>>,
    /// The last slot that became a job.
    pub last_slot_at: Option<DateTime<Utc>>,
    /// Its state.
    pub state: ScheduleState,
    /// Why it is in that state.
    pub state_reason: Option<StateReason>,
    /// Its pauses that ended by then do not count any more.
    pub pauses_over: Option<DateTime<Utc>>,
    /// What became of its slots.
    pub fires: Vec<Fire>,
}

/// Claims schedules that a scheduler must look at, those first that wait longest, without those that another replica is claiming. Their `wake_at`
/// is the end of the claim then.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn schedule_claim(database: &Database, claim: &Claim) -> Result<Vec<Schedule>, Error> {
    use schedule::Column as C;
    let until = to_micros(claim.until);
    let txn = database.begin().await?;
    let due = schedule::Entity::find()
        .filter(C::WakeAt.lte(claim.now))
        .order_by_asc(C::WakeAt)
        .limit(claim.limit)
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked);
    let rows = due.all(&txn.0).await?;
    for rows in rows.chunks(5_000) {
        let row = schedule::ActiveModel { wake_at: Set(Some(until)), ..Default::default() };
        schedule::Entity::update_many().set(row).filter(C::Id.is_in(rows.iter().map(|row| row.id))).exec(&txn.0).await?;
    }
    txn.commit().await?;
    let mut schedules = Vec::with_capacity(rows.len());
    for row in rows {
        match from_row(schedule::Model { wake_at: Some(until), ..row }) {
            Ok(schedule) => schedules.push(schedule),
            // It must not keep the others from running; it is looked at again when the claim ends.
            Err(error) => tracing::error!(%error, "a schedule cannot be read"),
        }
    }
    Ok(schedules)
}

/// Writes what was decided about schedules that were claimed until `until`, and returns those that it was written of: the others were changed,
/// woken or taken over meanwhile, and are decided again. What became of their slots is written nevertheless: their jobs exist.
///
/// # Errors
/// Any [`Error`] of the database: nothing is written.
pub async fn schedule_finish(database: &Database, until: DateTime<Utc>, decided: &[Decided]) -> Result<Vec<ScheduleId>, Error> {
    let until = to_micros(until);
    // In one order everywhere, so that two replicas do not wait for each other.
    let mut decided: Vec<&Decided> = decided.iter().collect();
    decided.sort_unstable_by_key(|one| one.id);
    // As `Database::in_transaction` does, whose closure would borrow: the future of that is not `Send`, and the loop that calls this is a task.
    let mut attempt = 1;
    loop {
        match finish(database, until, &decided).await {
            Err(Error::Conflict(_)) if attempt < MOST_ATTEMPTS => attempt += 1,
            outcome => return outcome,
        }
    }
}

async fn finish(database: &Database, until: DateTime<Utc>, decided: &[&Decided]) -> Result<Vec<ScheduleId>, Error> {
    let txn = database.begin().await?;
    let backend = txn.0.get_database_backend();
    let mut written: BTreeSet<ScheduleId> = BTreeSet::new();
    for rows in decided.chunks(MOST_ROWS) {
        for row in txn.0.query_all_raw(UPDATE.statement(backend, padded(rows, until))).await? {
            written.insert(row.try_get_by_index::<Uuid>(0)?.into());
        }
    }
    for fires in decided.iter().flat_map(|one| &one.fires).collect::<Vec<_>>().chunks(MOST_ROWS) {
        fire_put_in_txn(&txn, fires).await?;
    }
    for one in decided {
        // Whoever decides again needs the same pauses.
        let Some(over) = one.pauses_over.filter(|_| written.contains(&one.id)) else { continue };
        use schedule_pause::Column::{ScheduleId, UntilAt};
        let over = Condition::all().add(ScheduleId.eq(one.id.get())).add(UntilAt.lte(over));
        schedule_pause::Entity::delete_many().filter(over).exec(&txn.0).await?;
    }
    txn.commit().await?;
    Ok(written.into_iter().collect())
}

/// Columns that a decision changes, in the order of [`to_cells`].
const CHANGED: [schedule::Column; 5] = [
    schedule::Column::CursorAt,
    schedule::Column::WakeAt,
    schedule::Column::LastSlotAt,
    schedule::Column::State,
    schedule::Column::StateReason,
];

static UPDATE: StatementTexts = StatementTexts::new(|backend, rows| StatementBuilder::build(&update(rows), &backend).sql);

fn update(rows: usize) -> UpdateStatement {
    let tuples = cells(rows, CHANGED.len() + 2).map(ValueTuple::Many).collect();
    let cell = |index: usize| Expr::col(("changed", format!("column{index}")));
    let mut update = Query::update();
    update
        .table(schedule::Entity)
        .from(TableRef::ValuesList(tuples, "changed".into_iden()))
        .and_where(Expr::col((schedule::Entity, schedule::Column::Id)).eq(cell(1)))
        .and_where(Expr::col((schedule::Entity, schedule::Column::WakeAt)).eq(cell(2)))
        .returning(Query::returning().expr(Expr::col((schedule::Entity, schedule::Column::Id))));
    for (index, column) in CHANGED.into_iter().enumerate() {
        update.value(column.as_str(), cell(index + 3));
    }
    update
}

/// The cells of [`update`], padded with the last row to a power of two, so that few different statements are prepared. Of several matching rows an
/// UPDATE uses one.
fn padded(rows: &[&Decided], until: DateTime<Utc>) -> impl ExactSizeIterator<Item = Vec<Value>> {
    (0..rows.len().next_power_of_two()).map(move |index| to_cells(rows[Ord::min(index, rows.len() - 1)], until))
}

fn to_cells(one: &Decided, until: DateTime<Utc>) -> Vec<Value> {
    vec![
        one.id.get().into(),
        until.into(),
        one.cursor_at.into(),
        one.wake_at.into(),
        one.last_slot_at.into(),
        one.state.as_str().into(),
        one.state_reason.map(StateReason::as_str).into(),
    ]
}
