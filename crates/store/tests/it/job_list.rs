use std::collections::BTreeSet;

use chrono::{TimeDelta, Utc};
use domain::{
    Scope,
    ids::{AutomationId, JobId},
    job::{ErrorClass, Failure, Status, Trigger},
};
use serde_json::json;
use store::jobs::{
    Filter, NewJob, Payload, Terms, job_count, job_list_overdue_unscoped, job_list_page, job_list_queue_overdue_unscoped, job_load_payloads,
};

use crate::{
    case::Case,
    fixtures::{NONE, at, change, id_at, insert, list, new_job, object, one_of_each, set_status},
};

both!(
    newest_come_first,
    statuses_filter_alone_and_together,
    automation_and_trigger_filter,
    filters_combine,
    queue_class_and_ids_filter,
    retried_jobs_can_be_excluded_and_their_retries_found,
    overdue_jobs_are_found,
    times_include_their_start_and_exclude_their_end,
    times_part_jobs_of_one_millisecond,
    times_beyond_every_id_are_accepted,
    an_id_may_be_a_little_younger_or_older_than_its_job,
    pages_visit_each_job_once_while_others_come,
    a_page_ends_by_the_size_of_its_payload,
);

fn everything() -> Filter {
    Filter { limit: 1_000, ..Filter::default() }
}

async fn ids(db: &Case, filter: &Filter) -> Vec<JobId> {
    list(db, filter).await.into_iter().map(|job| job.row.job.id).collect()
}

async fn newest_come_first(db: Case) {
    let jobs = [2, 1, 3].map(new_job);
    insert(&db, &jobs).await;
    let newest_first = [3, 2, 1].map(|nth| new_job(nth).id);
    assert_eq!(ids(&db, &everything()).await, newest_first);
    assert_eq!(ids(&db, &Filter { limit: 2, ..Filter::default() }).await, newest_first[..2]);
    let whole = list(&db, &everything()).await;
    assert_eq!(whole[0].parameters, new_job(3).parameters);
}

async fn a_page_ends_by_the_size_of_its_payload(db: Case) {
    let text = |length| json!({"text": "x".repeat(length)});
    let jobs: Vec<NewJob> = (1..=250).map(|nth| NewJob { parameters: object(text(100)), ..new_job(nth) }).collect();
    insert(&db, &jobs).await;
    for nth in [250, 249, 247] {
        change(&db, new_job(nth).id, |row| row.result = Some(text(100_000))).await;
    }
    let page = async |payload, most| job_list_page(&db, &Scope::All, &everything(), payload, most).await.unwrap();
    let small = page(Payload::Parameters, 1_000_000).await;
    assert_eq!((small.rows.len(), small.more), (250, false), "results do not count when they are left out");
    assert!(small.rows.iter().all(|(row, bytes)| row.result.is_none() && (100..200).contains(bytes)));
    let large = page(Payload::All, 150_000).await;
    assert_eq!((large.rows.len(), large.more), (1, true));
    assert!(large.rows[0].1 > 100_000);
    let alone = page(Payload::All, 1).await;
    assert_eq!((alone.rows.len(), alone.more), (1, true), "what has more than the page takes is a page of its own");
    let (mut filter, mut sizes) = (everything(), Vec::new());
    loop {
        let page = job_list_page(&db, &Scope::All, &filter, Payload::All, 150_000).await.unwrap();
        sizes.push(page.rows.len());
        filter.after = page.rows.last().map(|(row, _)| row.job.id);
        if !page.more {
            break;
        }
    }
    assert_eq!((sizes.iter().sum::<usize>(), sizes[0], sizes[1]), (250, 1, 2), "{sizes:?}");
    let rows = vec![small.rows[0].0.clone()];
    let without = job_load_payloads(&db, rows.clone(), Payload::Parameters).await.unwrap().remove(0);
    let with = job_load_payloads(&db, rows, Payload::All).await.unwrap().remove(0);
    assert_eq!((without.row.result, with.row.result), (None, Some(text(100_000))));
    assert_eq!((without.parameters, with.parameters), (object(text(100)), object(text(100))));
}

async fn statuses_filter_alone_and_together(db: Case) {
    let all = one_of_each(&db).await;
    let status_of = |what: &str| Status::parse(what).unwrap_or(Status::Pending);
    for bits in 0..1_u32 << Status::ALL.len() {
        let statuses: Vec<Status> =
            Status::ALL.into_iter().enumerate().filter(|(nth, _)| bits & (1 << nth) != 0).map(|(_, status)| status).collect();
        let wanted = all.iter().rev().filter(|(what, _)| statuses.is_empty() || statuses.contains(&status_of(what)));
        let wanted: Vec<JobId> = wanted.map(|(_, id)| *id).collect();
        assert_eq!(ids(&db, &Filter { statuses: statuses.clone(), ..everything() }).await, wanted, "{statuses:?}");
    }
}

async fn automation_and_trigger_filter(db: Case) {
    let triggers = Trigger::ALL.into_iter().zip(1..);
    let jobs: Vec<NewJob> =
        triggers.map(|(trigger, nth)| NewJob { trigger, automation_id: i32::try_from(nth % 2).unwrap().into(), ..new_job(nth) }).collect();
    insert(&db, &jobs).await;
    for job in &jobs {
        assert_eq!(ids(&db, &Filter { trigger: Some(job.trigger), ..everything() }).await, [job.id]);
    }
    let odd: Vec<JobId> = [5, 3, 1].map(|nth| new_job(nth).id).to_vec();
    assert_eq!(ids(&db, &Filter { automation_id: Some(AutomationId::new(1)), ..everything() }).await, odd);
    assert_eq!(ids(&db, &Filter { automation_id: Some(AutomationId::new(7)), ..everything() }).await, NONE);
}

async fn filters_combine(db: Case) {
    let jobs: Vec<NewJob> = (0..64)
        .map(|nth| NewJob {
            automation_id: if nth & 1 == 0 { 1.into() } else { 2.into() },
            trigger: if nth & 2 == 0 { Trigger::Api } else { Trigger::Manual },
            ..new_job(nth)
        })
        .collect();
    insert(&db, &jobs).await;
    for job in jobs.iter().skip(4).step_by(8).chain(&jobs[7..8]) {
        set_status(&db, job.id, Status::Failed).await;
    }
    let filter = Filter {
        statuses: vec![Status::Failed, Status::Canceled],
        automation_id: Some(AutomationId::new(1)),
        trigger: Some(Trigger::Api),
        created_from: Some(at(5)),
        created_to: Some(at(60)),
        after: Some(new_job(52).id),
        limit: 3,
        ..Filter::default()
    };
    assert_eq!(ids(&db, &filter).await, [44, 36, 28].map(|nth| new_job(nth).id));
    let last = Filter { after: Some(new_job(28).id), ..filter };
    assert_eq!(ids(&db, &last).await, [20, 12].map(|nth| new_job(nth).id));
    assert_eq!(job_count(&db, &Scope::All, &last, 100).await.unwrap(), 2);
    assert_eq!(job_count(&db, &Scope::All, &Filter { after: None, ..last.clone() }, 4).await.unwrap(), 4, "counts no further than told");
}

async fn queue_class_and_ids_filter(db: Case) {
    insert(&db, &[new_job(1), NewJob { queue_name: "other".into(), ..new_job(2) }, new_job(3)]).await;
    change(&db, new_job(3).id, |row| {
        row.job.status = Status::Failed;
        row.job.failure = Some(Failure { class: ErrorClass::JobTimeout, message: String::new() });
    })
    .await;
    assert_eq!(ids(&db, &Filter { queue_name: Some("other".into()), ..everything() }).await, [new_job(2).id]);
    assert_eq!(ids(&db, &Filter { error_class: Some(ErrorClass::JobTimeout), ..everything() }).await, [new_job(3).id]);
    let two = vec![new_job(1).id, new_job(3).id];
    assert_eq!(ids(&db, &Filter { ids: two, ..everything() }).await, [new_job(3).id, new_job(1).id]);
}

async fn retried_jobs_can_be_excluded_and_their_retries_found(db: Case) {
    insert(&db, &[new_job(1), new_job(2), NewJob { retry_of: Some(new_job(1).id), ..new_job(3) }]).await;
    assert_eq!(ids(&db, &Filter { not_retried: true, ..everything() }).await, [new_job(3).id, new_job(2).id]);
    assert_eq!(ids(&db, &Filter { retry_of: Some(new_job(1).id), ..everything() }).await, [new_job(3).id]);
    assert!(ids(&db, &Filter { retry_of: Some(new_job(3).id), ..everything() }).await.is_empty());
}

async fn overdue_jobs_are_found(db: Case) {
    let waits_until = |nth, millis| NewJob { terms: Terms { queue_deadline_at: Some(at(millis)), ..Terms::default() }, ..new_job(nth) };
    insert(&db, &[waits_until(1, 100), waits_until(2, 99), waits_until(3, 101), waits_until(4, 50), new_job(5)]).await;
    set_status(&db, new_job(4).id, Status::Running).await;
    assert_eq!(job_list_queue_overdue_unscoped(&db, at(100), 10).await.unwrap(), [2, 1].map(|nth| new_job(nth).id));
    assert_eq!(job_list_queue_overdue_unscoped(&db, at(100), 1).await.unwrap(), [new_job(2).id]);
    for (nth, status, deadline) in [(1, Status::Running, 100), (2, Status::Paused, 99), (3, Status::Running, 101), (5, Status::Failed, 1)] {
        change(&db, new_job(nth).id, |row| {
            row.job.status = status;
            row.deadline_at = Some(at(deadline));
        })
        .await;
    }
    let mut found = job_list_overdue_unscoped(&db, at(100), 10).await.unwrap();
    found.sort_unstable();
    assert_eq!(found, [new_job(1).id], "a paused job's clock stands still");
}

async fn times_include_their_start_and_exclude_their_end(db: Case) {
    insert(&db, &(10..15).map(new_job).collect::<Vec<_>>()).await;
    let between = |from, to| Filter { created_from: Some(at(from)), created_to: Some(at(to)), ..everything() };
    assert_eq!(ids(&db, &between(11, 13)).await, [12, 11].map(|nth| new_job(nth).id));
    assert_eq!(ids(&db, &between(11, 11)).await, NONE);
    assert_eq!(ids(&db, &Filter { created_from: Some(at(14)), ..everything() }).await, [new_job(14).id]);
    assert_eq!(ids(&db, &Filter { created_to: Some(at(11)), ..everything() }).await, [new_job(10).id]);
}

async fn times_part_jobs_of_one_millisecond(db: Case) {
    let micros = |count| at(10) + TimeDelta::microseconds(count);
    let jobs: Vec<NewJob> =
        (0..5).map(|nth| NewJob { id: id_at(10, nth), created_at: micros(i64::from(nth) * 100), ..new_job(0) }).collect();
    insert(&db, &jobs).await;
    let between = Filter { created_from: Some(micros(100)), created_to: Some(micros(300)), ..everything() };
    assert_eq!(ids(&db, &between).await, [id_at::<JobId>(10, 2), id_at(10, 1)]);
    assert_eq!(ids(&db, &Filter { created_from: Some(micros(1)), ..everything() }).await.len(), 4);
    assert_eq!(ids(&db, &Filter { created_to: Some(micros(400)), ..everything() }).await.len(), 4);
}

/// A retry is accepted at the time of its transaction, and gets its id a little later.
async fn an_id_may_be_a_little_younger_or_older_than_its_job(db: Case) {
    let jobs = [(12, 11), (10, 11)].map(|(made, created)| NewJob { id: id_at(made, 9), created_at: at(created), ..new_job(0) });
    insert(&db, &jobs).await;
    let within = Filter { created_from: Some(at(11)), created_to: Some(at(11) + TimeDelta::microseconds(1)), ..everything() };
    assert_eq!(ids(&db, &within).await, [id_at::<JobId>(12, 9), id_at(10, 9)]);
}

async fn times_beyond_every_id_are_accepted(db: Case) {
    insert(&db, &[new_job(1)]).await;
    let (early, late) = ("1969-12-31T23:59:59Z".parse().unwrap(), "9999-12-31T23:59:59Z".parse().unwrap());
    assert_eq!(ids(&db, &Filter { created_from: Some(early), created_to: Some(late), ..everything() }).await.len(), 1);
    assert_eq!(ids(&db, &Filter { created_to: Some(early), ..everything() }).await, NONE);
    assert_eq!(ids(&db, &Filter { created_from: Some(late), ..everything() }).await, NONE);
    assert_eq!(ids(&db, &Filter { created_from: Some(Utc::now() + TimeDelta::days(36_500)), ..everything() }).await, NONE);
}

async fn pages_visit_each_job_once_while_others_come(db: Case) {
    let jobs: Vec<NewJob> = (0..50).map(|nth| NewJob { id: id_at(i64::from(nth) / 20, nth), ..new_job(nth) }).collect();
    insert(&db, &jobs).await;
    let (mut seen, mut after, mut nth) = (Vec::new(), None, 100);
    loop {
        let page = ids(&db, &Filter { limit: 7, after, ..Filter::default() }).await;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        seen.extend(page);
        insert(&db, &[new_job(nth)]).await;
        nth += 1;
    }
    let wanted: BTreeSet<JobId> = jobs.iter().map(|job| job.id).collect();
    assert_eq!(seen.len(), jobs.len());
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), wanted);
}
