use domain::ids::{AutomationId, JobId, ScheduleId};
use store::{
    Transaction,
    jobs::{CandidateFilter, NewJob, Origin, Terms, job_list_candidates_in_txn},
};

use crate::{
    case::Case,
    fixtures::{NONE, at, commit, id_at, insert, mark_dispatched, new_job, one_of_each, wanted},
};

both!(
    order_is_priority_then_age,
    limit_takes_the_first,
    other_queues_are_not_changed,
    automations_can_be_excluded,
    schedules_can_be_excluded_as_far_as_their_jobs_have_a_limit,
    jobs_wait_until_they_are_due,
    only_jobs_in_the_backlog_are_candidates,
    candidates_name_their_automation,
);

suite!(two_dispatchers, Postgres, jobs_locked_by_another_dispatcher_are_skipped, locked_candidates_are_free_after_a_rollback);

async fn candidates(txn: &Transaction, except: &[AutomationId], limit: u64) -> Result<Vec<JobId>, store::Error> {
    let found = job_list_candidates_in_txn(txn, &wanted(except, at(1_000), limit)).await?;
    Ok(found.into_iter().map(|candidate| candidate.row.job.id).collect())
}

async fn all(db: &Case, except: &[i32], limit: u64) -> Vec<JobId> {
    let except: Vec<AutomationId> = except.iter().copied().map(AutomationId::new).collect();
    commit(db, async |txn| candidates(txn, &except, limit).await).await.unwrap()
}

async fn order_is_priority_then_age(db: Case) {
    let jobs: Vec<NewJob> = [5, 9, 0, 9, 5].into_iter().zip(1..).map(|(priority, nth)| NewJob { priority, ..new_job(nth) }).collect();
    insert(&db, &[jobs[4].clone(), jobs[3].clone(), jobs[0].clone(), jobs[2].clone(), jobs[1].clone()]).await;
    assert_eq!(all(&db, &[], 10).await, [1, 3, 0, 4, 2].map(|nth: usize| jobs[nth].id));
}

async fn limit_takes_the_first(db: Case) {
    insert(&db, &(1..=9).map(new_job).collect::<Vec<_>>()).await;
    assert_eq!(all(&db, &[], 2).await, [new_job(1).id, new_job(2).id]);
}

async fn other_queues_are_not_changed(db: Case) {
    insert(&db, &[NewJob { queue_name: "Invoices".into(), ..new_job(1) }, NewJob { queue_name: "invoices ".into(), ..new_job(2) }]).await;
    assert_eq!(all(&db, &[], 10).await, NONE);
}

async fn automations_can_be_excluded(db: Case) {
    insert(&db, &(1..=6).map(|nth| NewJob { automation_id: i32::try_from(nth % 3).unwrap().into(), ..new_job(nth) }).collect::<Vec<_>>())
        .await;
    assert_eq!(all(&db, &[1, 2], 10).await, [new_job(3).id, new_job(6).id]);
    assert_eq!(all(&db, &[0, 1, 2, 3], 10).await, NONE);
}

async fn schedules_can_be_excluded_as_far_as_their_jobs_have_a_limit(db: Case) {
    let [one, other] = [8, 9].map(|nth| id_at::<ScheduleId>(0, nth));
    let of = |nth, schedule_id, max_concurrency| NewJob {
        origin: Origin { schedule_id, ..Origin::default() },
        terms: Terms { max_concurrency, ..Terms::default() },
        ..new_job(nth)
    };
    insert(&db, &[of(1, Some(one), Some(2)), of(2, Some(one), None), of(3, Some(other), Some(2)), of(4, None, None)]).await;
    let without = async |except: &[ScheduleId]| {
        let filter = CandidateFilter { except_schedules: except, ..wanted(&[], at(1_000), 10) };
        let found = commit(&db, async |txn| job_list_candidates_in_txn(txn, &filter).await).await.unwrap();
        found.into_iter().map(|candidate| candidate.row.job.id).collect::<Vec<_>>()
    };
    assert_eq!(without(&[one]).await, [2, 3, 4].map(|nth| new_job(nth).id));
    assert_eq!(without(&[one, other]).await, [2, 4].map(|nth| new_job(nth).id));
}

async fn jobs_wait_until_they_are_due(db: Case) {
    let due_at = |nth, millis| NewJob { not_before: Some(at(millis)), ..new_job(nth) };
    insert(&db, &[due_at(1, 999), due_at(2, 1_000), due_at(3, 1_001), new_job(4)]).await;
    assert_eq!(all(&db, &[], 10).await, [1, 2, 4].map(|nth| new_job(nth).id));
}

async fn only_jobs_in_the_backlog_are_candidates(db: Case) {
    let each = one_of_each(&db).await;
    assert_eq!(all(&db, &[], 100).await, [each[0].1]);
}

async fn candidates_name_their_automation(db: Case) {
    insert(&db, &[NewJob { automation_id: AutomationId::new(42), ..new_job(1) }]).await;
    let found = commit(&db, async |txn| job_list_candidates_in_txn(txn, &wanted(&[], at(1_000), 1)).await).await.unwrap();
    assert_eq!(
        found.iter().map(|candidate| (candidate.row.job.id, candidate.row.automation_id)).collect::<Vec<_>>(),
        [(id_at(1, 1), 42.into())]
    );
}

async fn jobs_locked_by_another_dispatcher_are_skipped(db: Case) {
    insert(&db, &(1..=5).map(new_job).collect::<Vec<_>>()).await;
    let first = db.begin().await.unwrap();
    let second = db.begin().await.unwrap();
    let mine = candidates(&first, &[], 2).await.unwrap();
    let theirs = candidates(&second, &[], 10).await.unwrap();
    assert_eq!(mine, [1, 2].map(|nth| new_job(nth).id));
    assert_eq!(theirs, [3, 4, 5].map(|nth| new_job(nth).id));
    mark_dispatched(&first, &mine, at(1_000)).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(candidates(&second, &[], 10).await.unwrap(), theirs, "what the first took is no candidate any more");
}

async fn locked_candidates_are_free_after_a_rollback(db: Case) {
    insert(&db, &[new_job(1)]).await;
    let first = db.begin().await.unwrap();
    assert_eq!(candidates(&first, &[], 10).await.unwrap().len(), 1);
    assert_eq!(all(&db, &[], 10).await, NONE);
    drop(first);
    // The rollback of a dropped transaction is on its way; whoever waits for the row waits for it.
    commit(&db, async |txn| store::jobs::job_load_for_update_in_txn(txn, &[new_job(1).id]).await).await.unwrap();
    assert_eq!(all(&db, &[], 10).await, [new_job(1).id]);
}
