use std::collections::HashMap;

use domain::{
    Scope,
    alert::{AlertSource, AlertType, Facts, Key, Observation, Seen, Subject, Terms},
    ids::{AutomationId, JobId},
    job::{ErrorClass, Failure, Status},
    report::Runs,
};
use store::{
    Database,
    alerts::alert_observe_in_txn,
    automations::{Draft, automation_insert},
    domains::domain_insert,
    jobs::NewJob,
    reports::{Selection, report_automations, report_durations, report_failures, report_late, report_runs},
};

use crate::{
    case::Case,
    fixtures::{at, change, commit, draft, id_at, insert, new_job},
};

both!(
    a_run_counts_once_by_its_last_attempt,
    failures_are_counted_by_class_with_the_last_one,
    only_automations_of_the_domain_and_in_scope_count,
    delays_are_those_that_opened_in_the_period,
    durations_leave_out_pauses_and_what_did_not_complete,
);

/// A job that ran for `seconds` and ended at `end`, in milliseconds after the start of 2026.
struct Ended {
    nth: u32,
    automation: AutomationId,
    status: Status,
    end: i64,
    seconds: i64,
}

async fn ended(database: &Database, Ended { nth, automation, status, end, seconds }: Ended, retry_of: Option<JobId>) -> JobId {
    let started = end - seconds * 1000;
    let job = NewJob { id: id_at(started, nth), automation_id: automation, created_at: at(started), retry_of, ..new_job(nth) };
    let id = job.id;
    insert(database, &[job]).await;
    change(database, id, |row| {
        row.job.status = status;
        (row.started_at, row.completed_at) = (Some(at(started)), Some(at(end)));
        if status == Status::Failed {
            row.job.failure = Some(Failure { class: ErrorClass::RobotError, message: format!("fault {nth}") });
        }
    })
    .await;
    id
}

async fn automation(database: &Database, name: &str) -> AutomationId {
    automation_insert(database, &Scope::All, &test_support::change(), &draft(name), at(0)).await.unwrap().id
}

fn within<'a>(scope: &'a Scope, domain: Option<&'a str>, (from, until): (i64, i64)) -> Selection<'a> {
    Selection { scope, domain, from: at(from), until: at(until) }
}

async fn a_run_counts_once_by_its_last_attempt(db: Case) {
    let a = automation(&db, "a").await;
    let job = |nth, status, end| Ended { nth, automation: a, status, end, seconds: 1 };
    let first = ended(&db, job(1, Status::Failed, 2_000), None).await;
    ended(&db, job(2, Status::Completed, 4_000), Some(first)).await;
    ended(&db, job(3, Status::CompletedNoInvoices, 5_000), None).await;
    ended(&db, job(4, Status::Canceled, 6_000), None).await;
    ended(&db, job(5, Status::Failed, 7_000), None).await;
    // The period has its beginning, and not its end.
    ended(&db, job(6, Status::Completed, 1_000), None).await;
    ended(&db, job(7, Status::Completed, 10_000), None).await;
    insert(&db, &[NewJob { automation_id: a, ..new_job(8) }]).await;
    let runs = report_runs(&db, &within(&Scope::All, None, (1_000, 10_000))).await.unwrap();
    assert_eq!(runs, HashMap::from([(a, Runs { completed: 2, no_data: 1, failed: 1, canceled: 1 })]));
}

async fn failures_are_counted_by_class_with_the_last_one(db: Case) {
    let (a, b) = (automation(&db, "a").await, automation(&db, "b").await);
    let job = |nth, automation, end| Ended { nth, automation, status: Status::Failed, end, seconds: 1 };
    ended(&db, job(1, a, 2_000), None).await;
    let last = ended(&db, job(2, b, 5_000), None).await;
    ended(&db, job(3, a, 3_000), None).await;
    let other = ended(&db, job(4, a, 4_000), None).await;
    change(&db, other, |row| row.job.failure = Some(Failure { class: ErrorClass::JobTimeout, message: "too long".to_owned() })).await;
    let selection = within(&Scope::All, None, (0, 10_000));
    let found = report_failures(&db, &selection, 10).await.unwrap();
    let shown: Vec<_> = found.iter().map(|one| (one.error_class.as_str(), one.count, one.example, one.message.as_str())).collect();
    assert_eq!(shown, [("ROBOT_ERROR", 3, last, "fault 2"), ("JOB_TIMEOUT", 1, other, "too long")]);
    assert_eq!(found[0].automation_id, b);
    assert_eq!(report_failures(&db, &selection, 1).await.unwrap().len(), 1);
}

async fn only_automations_of_the_domain_and_in_scope_count(db: Case) {
    let finance = crate::domains::finance(9);
    domain_insert(&db, &test_support::change(), &finance).await.unwrap();
    let of_finance = Draft { domain_id: Some(finance.id), ..draft("of finance") };
    let a = automation_insert(&db, &Scope::All, &test_support::change(), &of_finance, at(0)).await.unwrap().id;
    let b = automation(&db, "b").await;
    for (nth, automation) in [(1, a), (2, b)] {
        ended(&db, Ended { nth, automation, status: Status::Completed, end: 5_000, seconds: 1 }, None).await;
    }
    let of = async |scope: &Scope, domain| {
        let runs = report_runs(&db, &within(scope, domain, (0, 10_000))).await.unwrap();
        let mut ids: Vec<_> = runs.into_keys().collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(of(&Scope::All, None).await, [a, b]);
    assert_eq!(of(&Scope::All, Some("finance-9")).await, [a]);
    assert_eq!(of(&Scope::automations([b]), None).await, [b]);
    assert_eq!(of(&Scope::automations([b]), Some("finance-9")).await, []);
    let shown = report_automations(&db, [a]).await.unwrap();
    assert_eq!(shown, [(a, "of finance".to_owned(), Some(15))]);
}

async fn delays_are_those_that_opened_in_the_period(db: Case) {
    let (a, b) = (automation(&db, "a").await, automation(&db, "b").await);
    let breach = |nth, alert_type, automation| Observation {
        key: Key { rule_id: Some(uuid::Uuid::from_u128(nth).into()), alert_type, subject: Subject::Automation(automation) },
        automation_id: Some(automation),
        source: AlertSource::Regente,
        terms: Terms::default(),
        seen: Seen::Breach(Box::<Facts>::default()),
        at: at(0),
    };
    for (nth, alert_type, automation, opened) in
        [(1, AlertType::Late, a, 2_000), (2, AlertType::Late, a, 3_000), (3, AlertType::Failure, a, 4_000), (4, AlertType::Late, b, 20_000)]
    {
        let one = breach(nth, alert_type, automation);
        commit(&db, async |txn| alert_observe_in_txn(txn, &[one], at(opened)).await).await.unwrap();
    }
    let late = report_late(&db, &within(&Scope::All, None, (1_000, 10_000))).await.unwrap();
    assert_eq!(late, HashMap::from([(a, 2)]));
}

async fn durations_leave_out_pauses_and_what_did_not_complete(db: Case) {
    let (a, b) = (automation(&db, "a").await, automation(&db, "b").await);
    let job = |nth, automation, status, end, seconds| Ended { nth, automation, status, end, seconds };
    ended(&db, job(1, a, Status::Completed, 100_000, 10), None).await;
    let paused = ended(&db, job(2, a, Status::Completed, 200_000, 20), None).await;
    change(&db, paused, |row| row.paused_ms = 5_500).await;
    ended(&db, job(3, a, Status::Failed, 200_000, 30), None).await;
    ended(&db, job(4, b, Status::Completed, 200_000, 40), None).await;
    ended(&db, job(5, a, Status::Completed, 2_000_000, 50), None).await;
    assert_eq!(report_durations(&db, a, (at(0), at(1_000_000)), 10).await.unwrap(), [14.5, 10.0]);
    assert_eq!(report_durations(&db, a, (at(0), at(1_000_000)), 1).await.unwrap(), [14.5]);
}
