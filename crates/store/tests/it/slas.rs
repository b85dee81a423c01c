//! SLA rules: what earlier runs say, and what is on its way.

use chrono::TimeDelta;
use domain::{ids::AutomationId, job::Status, sla::Past};
use store::{
    jobs::NewJob,
    slas::{sla_list_front_unscoped, sla_list_history_unscoped, sla_list_last_ends_unscoped, sla_list_running_of_unscoped},
};

use crate::{
    case::Case,
    fixtures::{at, change, commit, id_at, insert, mark_dispatched, new_job, sorted},
};

both!(the_history_is_of_successes_the_latest_first, the_front_of_a_queue_is_in_order_and_bounded);

const MINUTE: i64 = 60_000;

async fn the_history_is_of_successes_the_latest_first(db: Case) {
    let (own, other) = (AutomationId::new(1), AutomationId::new(2));
    let jobs: Vec<NewJob> = (0..6).map(|nth| NewJob { id: id_at(0, nth), created_at: at(0), ..new_job(nth) }).collect();
    insert(&db, &jobs).await;
    let end = async |nth: u32, status, minute: i64| {
        change(&db, id_at(0, nth), |row| {
            (row.job.status, row.started_at, row.completed_at) = (status, Some(at(MINUTE)), Some(at(minute * MINUTE)));
            row.paused_ms = 30_000;
        })
        .await;
    };
    end(0, Status::Completed, 10).await;
    end(1, Status::Failed, 20).await;
    end(2, Status::CompletedNoInvoices, 30).await;
    end(3, Status::Canceled, 40).await;
    end(4, Status::Completed, 50).await;
    let past = |minutes: i64| Past {
        started_at: at(MINUTE),
        took: TimeDelta::minutes(minutes - 1) - TimeDelta::seconds(30),
        waited: TimeDelta::minutes(1),
    };
    assert_eq!(sla_list_history_unscoped(&db, own, at(0), 10).await.unwrap(), [past(50), past(30), past(10)]);
    assert_eq!(sla_list_history_unscoped(&db, own, at(10 * MINUTE), 1).await.unwrap(), [past(50)], "the latest of them");
    assert_eq!(sla_list_history_unscoped(&db, own, at(30 * MINUTE), 9).await.unwrap(), [past(50)], "what ended before is too old");
    assert_eq!(sla_list_history_unscoped(&db, other, at(0), 9).await.unwrap(), []);
    let last = sla_list_last_ends_unscoped(&db, &[other, own], at(0)).await.unwrap();
    assert_eq!(last.into_iter().collect::<Vec<_>>(), [(own, at(50 * MINUTE))]);
}

async fn the_front_of_a_queue_is_in_order_and_bounded(db: Case) {
    let job = |nth: u32, priority| NewJob { id: id_at(0, nth), priority, ..new_job(nth) };
    insert(&db, &[job(0, 5), job(1, 5), job(2, 9), job(3, 1), job(4, 5)]).await;
    let queue = new_job(0).queue_name;
    commit(&db, async |txn| mark_dispatched(txn, &[id_at(0, 3)], at(1)).await).await.unwrap();
    change(&db, id_at(0, 4), |row| (row.job.status, row.started_at) = (Status::Running, Some(at(5)))).await;
    let front = async |limit| {
        let found = sla_list_front_unscoped(&db, &queue, limit).await.unwrap();
        found.into_iter().map(|job| job.job_id).collect::<Vec<_>>()
    };
    let ids = |nths: &[u32]| nths.iter().map(|nth| id_at(0, *nth)).collect::<Vec<_>>();
    assert_eq!(front(10).await, ids(&[3, 2, 0, 1]), "what is with the broker comes first");
    assert_eq!(front(2).await, ids(&[3, 2, 0]), "so many of both");
    assert_eq!(sla_list_front_unscoped(&db, "another", 10).await.unwrap(), []);
    let running = sla_list_running_of_unscoped(&db, &[AutomationId::new(1), AutomationId::new(2)], 10).await.unwrap();
    let running: Vec<_> = sorted(running.into_iter().map(|job| (job.job_id, job.running.map(|running| running.started_at))).collect());
    assert_eq!(running, [(id_at(0, 4), Some(at(5)))]);
}
