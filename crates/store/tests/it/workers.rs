use store::workers::{Worker, worker_list_live, worker_touch, worker_upsert};
use uuid::Uuid;

use crate::{
    case::Case,
    fixtures::{at, id_at},
};

both!(
    worker_round_trips,
    registering_again_keeps_id_and_first_time_and_renews_the_rest,
    concurrent_registrations_agree_on_one_id,
    touch_notes_a_sign_of_life,
    live_are_those_heard_of_since,
);

fn worker(id: Uuid, name: &str) -> Worker {
    Worker {
        id,
        name: name.into(),
        queues: vec!["invoices".into(), "ação".into()],
        slots: 2,
        version: "1.0.0".into(),
        hostname: "robot-1".into(),
        uses_broker: true,
        registered_at: at(1),
        last_seen_at: at(1),
    }
}

async fn worker_round_trips(db: Case) {
    let wanted = worker(id_at(1, 1), "a");
    assert_eq!(worker_upsert(&db, &wanted).await.unwrap(), wanted.id);
    assert_eq!(worker_list_live(&db, at(0)).await.unwrap(), [wanted]);
}

async fn registering_again_keeps_id_and_first_time_and_renews_the_rest(db: Case) {
    worker_upsert(&db, &worker(id_at(1, 1), "a")).await.unwrap();
    let again = Worker {
        id: id_at(2, 2),
        name: "a".into(),
        queues: vec![],
        slots: 9,
        version: "2.0.0".into(),
        hostname: "robot-2".into(),
        uses_broker: false,
        registered_at: at(5),
        last_seen_at: at(5),
    };
    assert_eq!(worker_upsert(&db, &again).await.unwrap(), id_at(1, 1));
    assert_eq!(worker_list_live(&db, at(0)).await.unwrap(), [Worker { id: id_at(1, 1), registered_at: at(1), ..again }]);
}

async fn concurrent_registrations_agree_on_one_id(db: Case) {
    let tasks: Vec<_> = (0..8)
        .map(|nth| {
            let database = db.database.clone();
            tokio::spawn(async move { worker_upsert(&database, &worker(id_at(1, nth), "a")).await.unwrap() })
        })
        .collect();
    let mut ids = Vec::new();
    for task in tasks {
        ids.push(task.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(db.rows("workers").await, 1);
}

async fn touch_notes_a_sign_of_life(db: Case) {
    worker_upsert(&db, &worker(id_at(1, 1), "a")).await.unwrap();
    assert!(worker_touch(&db, id_at(1, 1), at(9)).await.unwrap());
    assert!(!worker_touch(&db, id_at(1, 2), at(9)).await.unwrap());
    assert_eq!(worker_list_live(&db, at(9)).await.unwrap(), [Worker { last_seen_at: at(9), ..worker(id_at(1, 1), "a") }]);
}

async fn live_are_those_heard_of_since(db: Case) {
    for (nth, seen) in [(1, 100), (2, 101), (3, 1_000)] {
        let one = Worker { last_seen_at: at(seen), ..worker(id_at(1, nth), &format!("w{nth}")) };
        worker_upsert(&db, &one).await.unwrap();
    }
    let mut live: Vec<String> = worker_list_live(&db, at(101)).await.unwrap().into_iter().map(|worker| worker.name).collect();
    live.sort();
    assert_eq!(live, ["w2", "w3"]);
}
