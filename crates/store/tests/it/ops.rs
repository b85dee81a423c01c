use std::collections::BTreeMap;

use domain::{Scope, job::Status};
use store::{
    automations::{Draft, automation_archive, automation_insert},
    ops::{QueueLoad, job_count_ended, queue_loads},
};

use crate::{
    case::Case,
    fixtures::{at, change, draft, insert, new_job, one_of_each},
};

both!(
    loads_count_what_each_queue_has,
    the_oldest_is_found_whatever_its_priority,
    a_queue_without_jobs_is_reported,
    ended_jobs_are_counted_by_time
);

async fn loads_count_what_each_queue_has(db: Case) {
    one_of_each(&db).await;
    let load = QueueLoad { waiting: 1, dispatched: 2, running: 2, oldest_pending_at: Some(at(1)) };
    assert_eq!(queue_loads(&db, &Scope::All).await.unwrap(), BTreeMap::from([("invoices".to_owned(), load)]));
}

async fn the_oldest_is_found_whatever_its_priority(db: Case) {
    let job = |nth: u32, queue: &str, priority: i32| store::jobs::NewJob { queue_name: queue.into(), priority, ..new_job(nth) };
    insert(&db, &[job(3, "a", 9), job(2, "a", 0), job(4, "a", 5), job(5, "b", 5)]).await;
    insert(&db, &[store::jobs::NewJob { dispatch_started_at: Some(at(9)), ..job(1, "b", 5) }]).await;
    let loads = queue_loads(&db, &Scope::All).await.unwrap();
    let told: Vec<_> = loads.iter().map(|(queue, load)| (queue.as_str(), load.waiting, load.oldest_pending_at)).collect();
    assert_eq!(told, [("a", 3, Some(at(2))), ("b", 1, Some(at(1)))]);
}

async fn a_queue_without_jobs_is_reported(db: Case) {
    automation_insert(&db, &Scope::All, &test_support::change(), &Draft { queue_name: "idle".into(), ..draft("a") }, at(1)).await.unwrap();
    let gone = automation_insert(&db, &Scope::All, &test_support::change(), &Draft { queue_name: "gone".into(), ..draft("b") }, at(1))
        .await
        .unwrap();
    automation_archive(&db, &test_support::change(), gone.id, at(2)).await.unwrap();
    assert_eq!(queue_loads(&db, &Scope::All).await.unwrap(), BTreeMap::from([("idle".to_owned(), QueueLoad::default())]));
}

async fn ended_jobs_are_counted_by_time(db: Case) {
    for (nth, status, ended) in [
        (1, Status::Completed, 99),
        (2, Status::Completed, 100),
        (3, Status::Failed, 101),
        (4, Status::Failed, 102),
        (5, Status::Running, 0),
    ] {
        insert(&db, &[new_job(nth)]).await;
        change(&db, new_job(nth).id, |row| {
            row.job.status = status;
            row.completed_at = (ended > 0).then(|| at(ended));
        })
        .await;
    }
    let mut counts = job_count_ended(&db, &Scope::All, at(100)).await.unwrap();
    counts.sort_by_key(|(status, _)| status.as_str());
    assert_eq!(counts, [(Status::Completed, 1), (Status::Failed, 2)]);
}
