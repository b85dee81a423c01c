use domain::{Scope, ids::JobId, job::Status};
use store::{
    Database, Error,
    automations::{automation_insert, automation_lock_limits_in_txn},
    jobs::{
        NewJob, job_count_active_in_txn, job_insert_many_in_txn, job_list_candidates_in_txn, job_load_for_update_in_txn,
        job_update_many_in_txn,
    },
};
use tokio::task::JoinSet;

use crate::{
    case::Case,
    fixtures::{at, commit, draft, insert, mark_dispatched, new_job, row, wanted},
};

both!(
    no_change_of_a_loaded_job_is_lost,
    loading_the_same_jobs_in_any_order_never_deadlocks,
    dispatchers_never_take_the_same_job,
    dispatchers_never_pass_a_limit,
    one_of_concurrent_inserts_with_a_key_wins,
);

/// Runs `work` on two hubs at once, `times` in all, and returns the outcomes.
async fn at_once<T: Send + 'static, F>(db: &Case, times: u32, work: impl Fn(Database, u32) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let hubs = [db.database.clone(), db.other_hub().await];
    let tasks: JoinSet<T> = (0..times).zip(hubs.iter().cycle()).map(|(nth, hub)| work(hub.clone(), nth)).collect();
    let outcomes = tasks.join_all().await;
    hubs[1].close().await.unwrap();
    outcomes
}

async fn no_change_of_a_loaded_job_is_lost(db: Case) {
    insert(&db, &[new_job(1)]).await;
    let outcomes = at_once(&db, 20, |hub, _| async move {
        let txn = hub.begin().await?;
        let mut rows = job_load_for_update_in_txn(&txn, &[new_job(1).id]).await?;
        rows[0].log_lines += 1;
        job_update_many_in_txn(&txn, &[&rows[0]]).await?;
        txn.commit().await
    });
    outcomes.await.into_iter().collect::<Result<Vec<()>, Error>>().unwrap();
    assert_eq!(row(&db, new_job(1).id).await.log_lines, 20);
}

async fn loading_the_same_jobs_in_any_order_never_deadlocks(db: Case) {
    insert(&db, &(0..64).map(new_job).collect::<Vec<_>>()).await;
    let outcomes = at_once(&db, 20, |hub, nth| async move {
        let mut ids: Vec<JobId> = (0..64).map(|nth| new_job(nth).id).collect();
        ids.rotate_left(usize::try_from(nth).unwrap());
        if nth % 2 == 0 {
            ids.reverse();
        }
        let txn = hub.begin().await?;
        job_load_for_update_in_txn(&txn, &ids).await?;
        txn.commit().await
    });
    outcomes.await.into_iter().collect::<Result<Vec<()>, Error>>().unwrap();
}

async fn dispatchers_never_take_the_same_job(db: Case) {
    insert(&db, &(0..60).map(new_job).collect::<Vec<_>>()).await;
    let outcomes = at_once(&db, 12, |hub, _| async move {
        let txn = hub.begin().await?;
        let found = job_list_candidates_in_txn(&txn, &wanted(&[], at(1_000), 5)).await?;
        let ids: Vec<JobId> = found.into_iter().map(|candidate| candidate.row.job.id).collect();
        mark_dispatched(&txn, &ids, at(1_000)).await?;
        txn.commit().await.map(|()| ids)
    });
    let mut taken = outcomes.await.into_iter().collect::<Result<Vec<_>, Error>>().unwrap().concat();
    taken.sort_unstable();
    assert_eq!(taken, (0..60).map(|nth| new_job(nth).id).collect::<Vec<_>>());
}

async fn dispatchers_never_pass_a_limit(db: Case) {
    let id = automation_insert(&db, &Scope::All, &test_support::change(), &draft("limited"), at(1)).await.unwrap().id;
    insert(&db, &(0..12).map(|nth| NewJob { automation_id: id, ..new_job(nth) }).collect::<Vec<_>>()).await;
    let outcomes = at_once(&db, 12, |hub, nth| async move {
        let txn = hub.begin().await?;
        let limit = automation_lock_limits_in_txn(&txn, &[id]).await?[0].1.unwrap_or_default();
        let active: i64 = job_count_active_in_txn(&txn, &[id]).await?.iter().map(|(_, jobs)| jobs).sum();
        if active < limit {
            let mut rows = job_load_for_update_in_txn(&txn, &[new_job(nth).id]).await?;
            rows[0].job.status = Status::Running;
            job_update_many_in_txn(&txn, &[&rows[0]]).await?;
        }
        txn.commit().await
    });
    outcomes.await.into_iter().collect::<Result<Vec<()>, Error>>().unwrap();
    let active = commit(&db, async |txn| job_count_active_in_txn(txn, &[id]).await).await.unwrap();
    assert_eq!(active, [(id, 2)]);
}

async fn one_of_concurrent_inserts_with_a_key_wins(db: Case) {
    let outcomes = at_once(&db, 8, |hub, nth| async move {
        let new = NewJob { idempotency_key: Some("k".into()), ..new_job(nth) };
        let txn = hub.begin().await?;
        job_insert_many_in_txn(&txn, &[&new]).await?;
        txn.commit().await
    });
    let outcomes = outcomes.await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(Error::Duplicate(_)))), "{outcomes:?}");
    assert_eq!(db.rows("jobs").await, 1);
}
