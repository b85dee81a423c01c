use domain::{Scope, ids::JobId, job::Status};
use store::{
    automations::automation_insert,
    jobs::{
        JobRow, NewJob, job_confirm_dispatched_in_txn, job_list_undelivered_unscoped, job_queues_waiting, job_release_unconfirmed,
        job_undispatch_in_txn,
    },
};

use crate::{
    case::Case,
    fixtures::{at, change, commit, draft, insert, mark_dispatched, new_job, one_of_each, row, sorted},
};

both!(
    undispatch_changes_only_dispatched_pending_jobs,
    confirm_changes_only_dispatched_pending_jobs,
    release_changes_only_unconfirmed_pending_jobs,
    release_skips_recently_dispatched_jobs,
    steps_of_many_jobs_at_once,
    steps_of_no_jobs_are_accepted,
    undelivered_are_the_dispatched_ones,
    waiting_queues_are_those_with_a_backlog,
    a_queue_without_an_automation_keeps_its_backlog,
);

/// Does `step` with one job in each stage, and says which ones changed, and how the first of these is now.
async fn changed_by(db: &Case, step: impl AsyncFnOnce(Vec<JobId>)) -> (Vec<&'static str>, Option<JobRow>) {
    let all = one_of_each(db).await;
    let mut before = Vec::new();
    for (_, id) in &all {
        before.push(row(db, *id).await);
    }
    step(all.iter().map(|(_, id)| *id).collect()).await;
    let (mut changed, mut first) = (Vec::new(), None);
    for ((what, id), before) in all.iter().zip(before) {
        let after = row(db, *id).await;
        if after != before {
            changed.push(*what);
            first.get_or_insert(after);
        }
    }
    (changed, first)
}

fn stages(row: Option<JobRow>) -> Option<[Option<chrono::DateTime<chrono::Utc>>; 2]> {
    row.map(|row| [row.dispatch_started_at, row.dispatched_at])
}

async fn undispatch_changes_only_dispatched_pending_jobs(db: Case) {
    let (changed, first) = changed_by(&db, async |ids| {
        let count = commit(&db, async |txn| job_undispatch_in_txn(txn, &ids).await).await.unwrap();
        assert_eq!(count, 2);
    })
    .await;
    assert_eq!(changed, ["chosen", "confirmed"]);
    assert_eq!(stages(first), Some([None, None]));
}

async fn confirm_changes_only_dispatched_pending_jobs(db: Case) {
    let (changed, first) = changed_by(&db, async |ids| {
        commit(&db, async |txn| job_confirm_dispatched_in_txn(txn, &ids, at(500)).await).await.unwrap();
    })
    .await;
    assert_eq!(changed, ["chosen", "confirmed"]);
    assert_eq!(stages(first), Some([Some(at(100)), Some(at(500))]));
}

async fn release_changes_only_unconfirmed_pending_jobs(db: Case) {
    let (changed, first) = changed_by(&db, async |_| assert_eq!(job_release_unconfirmed(&db, at(101)).await.unwrap(), 1)).await;
    assert_eq!(changed, ["chosen"]);
    assert_eq!(stages(first), Some([None, None]));
    assert_eq!(job_release_unconfirmed(&db, at(101)).await.unwrap(), 0);
}

async fn release_skips_recently_dispatched_jobs(db: Case) {
    let (changed, _) = changed_by(&db, async |_| assert_eq!(job_release_unconfirmed(&db, at(100)).await.unwrap(), 0)).await;
    assert_eq!(changed, [""; 0]);
}

async fn steps_of_many_jobs_at_once(db: Case) {
    let jobs: Vec<NewJob> = (0..1_100).map(new_job).collect();
    insert(&db, &jobs).await;
    let ids: Vec<JobId> = jobs[..1_025].iter().map(|job| job.id).collect();
    let count = commit(&db, async |txn| {
        mark_dispatched(txn, &ids, at(1)).await?;
        job_confirm_dispatched_in_txn(txn, &ids, at(2)).await?;
        job_undispatch_in_txn(txn, &ids[5..]).await
    });
    assert_eq!(count.await.unwrap(), 1_020);
    let undelivered = job_list_undelivered_unscoped(&db).await.unwrap();
    assert_eq!(sorted(undelivered), jobs[..5].iter().map(|job| (job.id, "invoices".to_owned(), at(1))).collect::<Vec<_>>());
    assert_eq!(row(&db, jobs[4].id).await.dispatched_at, Some(at(2)));
}

async fn steps_of_no_jobs_are_accepted(db: Case) {
    let (changed, _) = changed_by(&db, async |_| {
        commit(&db, async |txn| {
            mark_dispatched(txn, &[], at(1)).await?;
            job_confirm_dispatched_in_txn(txn, &[], at(1)).await?;
            assert_eq!(job_undispatch_in_txn(txn, &[]).await?, 0);
            Ok(())
        })
        .await
        .unwrap();
    })
    .await;
    assert_eq!(changed, [""; 0]);
}

async fn undelivered_are_the_dispatched_ones(db: Case) {
    let all = one_of_each(&db).await;
    let wanted = all[1..3].iter().map(|(_, id)| (*id, "invoices".to_owned(), at(100))).collect::<Vec<_>>();
    assert_eq!(sorted(job_list_undelivered_unscoped(&db).await.unwrap()), wanted);
}

async fn waiting_queues_are_those_with_a_backlog(db: Case) {
    assert_eq!(job_queues_waiting(&db).await.unwrap(), [""; 0]);
    for name in ["a", "b", "c", "idle"] {
        automation_insert(
            &db,
            &Scope::All,
            &test_support::change(),
            &store::automations::Draft { queue_name: name.into(), ..draft(name) },
            at(1),
        )
        .await
        .unwrap();
    }
    let on = |queue: &str, nth| NewJob { queue_name: queue.into(), priority: i32::try_from(nth % 3).unwrap(), ..new_job(nth) };
    insert(&db, &[on("b", 1), on("a", 2), on("a", 3), on("b", 4), on("c", 5), on("a", 6)]).await;
    assert_eq!(sorted(job_queues_waiting(&db).await.unwrap()), ["a", "b", "c"]);
    change(&db, new_job(5).id, |row| row.job.status = Status::Completed).await;
    commit(&db, async |txn| mark_dispatched(txn, &[new_job(1).id, new_job(4).id], at(9)).await).await.unwrap();
    assert_eq!(job_queues_waiting(&db).await.unwrap(), ["a"]);
}

async fn a_queue_without_an_automation_keeps_its_backlog(db: Case) {
    let id = automation_insert(&db, &Scope::All, &test_support::change(), &draft("moved"), at(1)).await.unwrap().id;
    insert(&db, &[NewJob { automation_id: id, ..new_job(1) }]).await;
    let moved = store::automations::Draft { queue_name: "elsewhere".into(), ..draft("moved") };
    store::automations::automation_update(&db, (&Scope::All, &test_support::change()), id, &moved, at(2)).await.unwrap();
    assert_eq!(job_queues_waiting(&db).await.unwrap(), ["invoices"]);
}
