//! What reports are made of. Each figure is read for a period by the time of the end, and for the automations in scope.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{
    Scope,
    alert::AlertType,
    ids::AutomationId,
    job::Status,
    report::{FailureClass, Runs},
};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Alias, Expr, ExprTrait, Query},
};
use uuid::Uuid;

use crate::{
    Database, Error,
    entity::{alert, automation, job},
    id_range::first_id,
    scope,
};

/// Which automations a report is about, and when.
#[derive(Clone, Copy, Debug)]
pub struct Selection<'a> {
    /// Those in this scope.
    pub scope: &'a Scope,
    /// Only those of the domain with this slug.
    pub domain: Option<&'a str>,
    /// From this time on.
    pub from: DateTime<Utc>,
    /// Before this time.
    pub until: DateTime<Utc>,
}

impl Selection<'_> {
    /// The condition on an automation's id in `column`.
    fn automations(&self, column: impl ColumnTrait + Copy) -> Condition {
        let of_domain = self.domain.map(|slug| scope::has_domain(slug, column));
        Condition::all().add_option(scope::has(self.scope, column)).add_option(of_domain)
    }

    /// Jobs that ended in the period and are not tried again.
    fn ended(&self) -> Condition {
        use job::Column as C;
        let retry = Alias::new("retry");
        let again = Query::select()
            .expr(Expr::val(1))
            .from_as(job::Entity, retry.clone())
            .and_where(Expr::col((retry, C::RetryOf)).equals((job::Entity, C::Id)))
            .to_owned();
        let last = Condition::any().add(C::Status.ne(Status::Failed.as_str())).add(Expr::exists(again).not());
        self.automations(C::AutomationId).add(C::CompletedAt.gte(self.from)).add(C::CompletedAt.lt(self.until)).add(last)
    }
}

/// How the runs of each automation ended.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn report_runs(database: &Database, selection: &Selection<'_>) -> Result<HashMap<AutomationId, Runs>, Error> {
    use job::Column as C;
    let query = job::Entity::find()
        .select_only()
        .columns([C::AutomationId, C::Status])
        .column_as(Expr::col((job::Entity, C::Id)).count(), "jobs")
        .filter(selection.ended())
        .group_by(C::AutomationId)
        .group_by(C::Status);
    let rows: Vec<(i32, String, i64)> = query.into_tuple().all(database.connection()).await?;
    let mut runs: HashMap<AutomationId, Runs> = HashMap::new();
    for (automation, status, jobs) in rows {
        let (of, jobs) = (runs.entry(automation.into()).or_default(), u64::try_from(jobs).unwrap_or(0));
        match Status::parse(&status) {
            Some(Status::Completed) => of.completed += jobs,
            Some(Status::CompletedNoInvoices) => of.no_data += jobs,
            Some(Status::Failed) => of.failed += jobs,
            Some(Status::Canceled) => of.canceled += jobs,
            _ => return Err(Error::Corrupt(format!("jobs.status of an ended job is {status}"))),
        }
    }
    Ok(runs)
}

/// The `limit` most frequent classes of failures, each with its last one.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn report_failures(database: &Database, selection: &Selection<'_>, limit: u64) -> Result<Vec<FailureClass>, Error> {
    use job::Column as C;
    let failed = || selection.ended().add(C::Status.eq(Status::Failed.as_str()));
    let counted = job::Entity::find()
        .select_only()
        .column(C::ErrorClass)
        .column_as(Expr::col((job::Entity, C::Id)).count(), "jobs")
        .filter(failed().add(C::ErrorClass.is_not_null()))
        .group_by(C::ErrorClass)
        .order_by_desc(Expr::col((job::Entity, C::Id)).count())
        .order_by_asc(C::ErrorClass)
        .limit(limit);
    let classes: Vec<(String, i64)> = counted.into_tuple().all(database.connection()).await?;
    let mut failures = Vec::with_capacity(classes.len());
    for (error_class, count) in classes {
        let last = job::Entity::find()
            .select_only()
            .columns([C::Id, C::AutomationId, C::ErrorMessage])
            .filter(failed().add(C::ErrorClass.eq(&error_class)))
            .order_by_desc(C::CompletedAt);
        let last: Option<(Uuid, i32, Option<String>)> = last.into_tuple().one(database.connection()).await?;
        if let Some((id, automation, message)) = last {
            let (count, message) = (u64::try_from(count).unwrap_or(0), message.unwrap_or_default());
            failures.push(FailureClass { error_class, count, example: id.into(), automation_id: automation.into(), message });
        }
    }
    Ok(failures)
}

/// How many alerts said of each automation that it was late.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn report_late(database: &Database, selection: &Selection<'_>) -> Result<HashMap<AutomationId, u64>, Error> {
    use alert::Column as C;
    let query = alert::Entity::find()
        .select_only()
        .column(C::AutomationId)
        .column_as(Expr::col((alert::Entity, C::Id)).count(), "alerts")
        .filter(selection.automations(C::AutomationId).add(C::AlertType.eq(AlertType::Late.as_str())))
        // By the indexes of open and of resolved ones.
        .filter(Condition::any().add(C::ResolvedAt.is_null()).add(C::ResolvedAt.gte(selection.from)))
        .filter(Condition::all().add(C::OpenedAt.gte(selection.from)).add(C::OpenedAt.lt(selection.until)))
        .filter(C::AutomationId.is_not_null())
        .group_by(C::AutomationId);
    let rows: Vec<(i32, i64)> = query.into_tuple().all(database.connection()).await?;
    Ok(rows.into_iter().map(|(automation, alerts)| (automation.into(), u64::try_from(alerts).unwrap_or(0))).collect())
}

/// How long the last `limit` completed runs of an automation that were accepted between two times took, in seconds.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn report_durations(
    database: &Database,
    automation: AutomationId,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
    limit: u64,
) -> Result<Vec<f64>, Error> {
    use job::Column as C;
    let query = job::Entity::find()
        .select_only()
        .columns([C::StartedAt, C::CompletedAt, C::PausedMs])
        .filter(C::AutomationId.eq(automation.get()))
        .filter(Condition::all().add(C::Id.gte(first_id(from))).add(C::Id.lt(first_id(until))))
        .filter(Condition::all().add(C::Status.eq(Status::Completed.as_str())).add(C::StartedAt.is_not_null()))
        .order_by_desc(C::Id)
        .limit(limit);
    let rows: Vec<(DateTime<Utc>, Option<DateTime<Utc>>, i64)> = query.into_tuple().all(database.connection()).await?;
    let duration = |(started, ended, paused_ms): (DateTime<Utc>, Option<DateTime<Utc>>, i64)| {
        let millis = Ord::max((ended? - started).num_milliseconds() - paused_ms, 0);
        #[expect(clippy::cast_precision_loss, reason = "durations are far below 2^52 ms")]
        Some(millis as f64 / 1000.0)
    };
    Ok(rows.into_iter().filter_map(duration).collect())
}

/// Name of each automation, and the minutes that a person needs for what one of its jobs does.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn report_automations(
    database: &Database,
    ids: impl IntoIterator<Item = AutomationId>,
) -> Result<Vec<(AutomationId, String, Option<i64>)>, Error> {
    use automation::Column as C;
    let query = automation::Entity::find().select_only().columns([C::Id, C::Name, C::ManualMinutes]);
    let query = query.filter(C::Id.is_in(ids.into_iter().map(AutomationId::get)));
    let rows: Vec<(i32, String, Option<i64>)> = query.into_tuple().all(database.connection()).await?;
    Ok(rows.into_iter().map(|(id, name, minutes)| (id.into(), name, minutes)).collect())
}
