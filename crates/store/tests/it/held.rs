use domain::{
    ids::{AutomationId, ScheduleId, WorkerId},
    job::Status,
};
use sea_orm::ConnectionTrait;
use store::jobs::{
    NewJob, Origin, job_count_active_by_schedule_in_txn, job_count_active_in_txn, job_list_expired_unscoped, job_list_held_by_unscoped,
    job_list_held_unscoped,
};

use crate::{
    case::Case,
    fixtures::{at, change, commit, hold, id_at, insert, new_job, one_of_each, set_status, sorted},
};

both!(
    held_are_running_and_paused_jobs,
    active_are_held_and_dispatched_jobs_of_each_automation,
    active_are_held_and_dispatched_jobs_of_each_schedule,
    expired_are_held_jobs_whose_lease_ended,
    expired_are_limited,
    claimed_by_a_worker_is_what_it_holds,
);

suite!(postgres_alone, Postgres, a_job_that_starts_meanwhile_is_counted_once);

async fn held_are_running_and_paused_jobs(db: Case) {
    let all = one_of_each(&db).await;
    let held: Vec<_> =
        all.iter().filter(|(what, _)| ["running", "paused"].contains(what)).map(|(_, id)| (*id, "invoices".to_owned(), None)).collect();
    assert_eq!(sorted(job_list_held_unscoped(&db).await.unwrap()), held);
}

async fn active_are_held_and_dispatched_jobs_of_each_automation(db: Case) {
    one_of_each(&db).await;
    for nth in 100..103 {
        insert(
            &db,
            &[
                NewJob { automation_id: AutomationId::new(2), ..new_job(nth) },
                NewJob { automation_id: AutomationId::new(3), ..new_job(nth + 100) },
            ],
        )
        .await;
        set_status(&db, new_job(nth).id, Status::Running).await;
    }
    let counted = commit(&db, async |txn| job_count_active_in_txn(txn, &[1, 2, 4].map(AutomationId::new)).await).await.unwrap();
    let of = |id: i32| counted.iter().filter(|(counted, _)| counted.get() == id).map(|(_, jobs)| jobs).sum::<i64>();
    // Running and paused, chosen and confirmed.
    assert_eq!([1, 2, 3, 4].map(of), [4, 3, 0, 0]);
    assert_eq!(commit(&db, async |txn| job_count_active_in_txn(txn, &[]).await).await.unwrap(), []);
}

/// Another replica records starts without a lock, while this one counts.
async fn a_job_that_starts_meanwhile_is_counted_once(db: Case) {
    insert(&db, &[NewJob { automation_id: AutomationId::new(1), ..new_job(1) }]).await;
    let raw = db.raw().await;
    let dispatched = "UPDATE jobs SET dispatch_started_at = created_at";
    raw.execute_unprepared(dispatched).await.unwrap();
    let starts = async {
        loop {
            let turn = "UPDATE jobs SET status = CASE status WHEN 'pending' THEN 'running' ELSE 'pending' END";
            raw.execute_unprepared(turn).await.unwrap();
        }
    };
    let counts = async {
        for _ in 0..500 {
            let counted = commit(&db, async |txn| job_count_active_in_txn(txn, &[AutomationId::new(1)]).await).await.unwrap();
            assert_eq!(counted, [(AutomationId::new(1), 1)]);
        }
    };
    tokio::select! {
        () = counts => {}
        () = starts => {}
    }
}

async fn active_are_held_and_dispatched_jobs_of_each_schedule(db: Case) {
    let [one, other] = [8, 9].map(|nth| id_at::<ScheduleId>(0, nth));
    let of = |nth, id, automation: i32| NewJob {
        origin: Origin { schedule_id: Some(id), ..Origin::default() },
        automation_id: automation.into(),
        ..new_job(nth)
    };
    let sent = |new: NewJob| NewJob { dispatch_started_at: Some(at(100)), ..new };
    insert(&db, &[of(1, one, 1), sent(of(2, one, 1)), of(3, one, 1), of(4, one, 1), of(5, other, 2), of(6, one, 3), sent(new_job(7))])
        .await;
    for (nth, status) in [(1, Status::Running), (3, Status::Paused), (4, Status::Failed), (5, Status::Running), (6, Status::Running)] {
        set_status(&db, new_job(nth).id, status).await;
    }
    let count = async |automations: &[i32], ids: &[ScheduleId]| {
        let automations: Vec<AutomationId> = automations.iter().copied().map(Into::into).collect();
        let counted = commit(&db, async |txn| job_count_active_by_schedule_in_txn(txn, &automations, ids).await).await.unwrap();
        ids.iter().map(|id| counted.iter().filter(|(counted, _)| counted == id).map(|(_, jobs)| jobs).sum()).collect::<Vec<i64>>()
    };
    assert_eq!(count(&[1, 2], &[one, other]).await, [3, 1]);
    assert_eq!(count(&[1], &[one]).await, [3]);
    assert_eq!(count(&[1], &[other]).await, [0]);
}

async fn expired_are_held_jobs_whose_lease_ended(db: Case) {
    insert(&db, &(1..=6).map(new_job).collect::<Vec<_>>()).await;
    for (nth, expires) in [(1, 999), (2, 1_000), (3, 1_001), (4, 999), (5, 999)] {
        hold(&db, new_job(nth).id, None, at(expires)).await;
    }
    set_status(&db, new_job(4).id, Status::Paused).await;
    set_status(&db, new_job(5).id, Status::Completed).await;
    let expired = job_list_expired_unscoped(&db, at(1_000), 10).await.unwrap();
    assert_eq!(sorted(expired), [1, 2, 4].map(|nth| new_job(nth).id));
}

async fn expired_are_limited(db: Case) {
    insert(&db, &(1..=5).map(new_job).collect::<Vec<_>>()).await;
    for nth in 1..=5 {
        hold(&db, new_job(nth).id, None, at(1)).await;
    }
    assert_eq!(job_list_expired_unscoped(&db, at(2), 3).await.unwrap().len(), 3);
}

async fn claimed_by_a_worker_is_what_it_holds(db: Case) {
    let (mine, other) = (id_at(0, 1), id_at(0, 2));
    insert(&db, &(1..=5).map(new_job).collect::<Vec<_>>()).await;
    for (nth, worker) in [(1, Some(mine)), (2, Some(other)), (3, None), (4, Some(mine)), (5, Some(mine))] {
        hold(&db, new_job(nth).id, worker, at(1)).await;
    }
    set_status(&db, new_job(4).id, Status::Failed).await;
    change(&db, new_job(5).id, |row| row.job.status = Status::Paused).await;
    let held_by = async |workers: &[WorkerId]| {
        let mut held = job_list_held_by_unscoped(&db.begin_lazily(), workers).await.unwrap();
        held.sort_unstable();
        held
    };
    assert_eq!(held_by(&[mine]).await, [1, 5].map(|nth| (new_job(nth).id, mine)));
    assert_eq!(
        held_by(&[other, id_at(0, 3), mine]).await,
        [(1, mine), (2, other), (5, mine)].map(|(nth, worker)| (new_job(nth).id, worker))
    );
    assert_eq!(held_by(&[id_at(0, 3)]).await, []);
    assert_eq!(held_by(&[]).await, []);
}
