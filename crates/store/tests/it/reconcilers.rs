use chrono::TimeDelta;
use domain::ids::ReplicaId;
use serde_json::json;
use store::reconcilers::{
    Claim, Reconciler, Replica, Run, reconciler_claim, reconciler_finish, reconciler_list, reconciler_put, replica_beat, replica_list,
};

use crate::{
    case::Case,
    fixtures::{at, id_at},
};

both!(
    rows_are_made_once,
    one_of_many_replicas_runs_it,
    it_repeats_when_it_is_due,
    the_claim_of_a_dead_holder_expires,
    a_lost_holder_records_nothing,
    live_hubs_are_distinguished_from_dead_ones,
);

fn claim(holder: u32, now: i64) -> Claim<'static> {
    let (hold_for, every) = (TimeDelta::milliseconds(100), TimeDelta::milliseconds(10));
    Claim { name: "sweep", holder: id_at(0, holder), now: at(now), hold_for, every }
}

async fn one(db: &Case) -> Reconciler {
    reconciler_list(db).await.unwrap().remove(0)
}

async fn rows_are_made_once(db: Case) {
    for _ in 0..2 {
        reconciler_put(&db, &[("sweep", TimeDelta::seconds(1)), ("retention", TimeDelta::seconds(2))]).await.unwrap();
    }
    let names: Vec<String> = reconciler_list(&db).await.unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["retention", "sweep"]);
}

async fn one_of_many_replicas_runs_it(db: Case) {
    reconciler_put(&db, &[("sweep", TimeDelta::seconds(1))]).await.unwrap();
    let claims = (1..=8).map(|holder| {
        let database = db.database.clone();
        tokio::spawn(async move { reconciler_claim(&database, &claim(holder, 0)).await.unwrap() })
    });
    let mut won = 0;
    for claim in claims.collect::<Vec<_>>() {
        won += u32::from(claim.await.unwrap());
    }
    assert_eq!(won, 1);
}

async fn it_repeats_when_it_is_due(db: Case) {
    reconciler_put(&db, &[("sweep", TimeDelta::seconds(1))]).await.unwrap();
    assert!(reconciler_claim(&db, &claim(1, 0)).await.unwrap());
    assert_eq!((one(&db).await.holder, one(&db).await.held_until), (Some(id_at(0, 1)), Some(at(100))));
    let run = Run { now: at(3), duration_ms: 3, outcome: Ok(json!({"jobs": 2})) };
    reconciler_finish(&db, "sweep", id_at(0, 1), &run).await.unwrap();
    let expected = Reconciler {
        name: "sweep".into(),
        holder: None,
        held_until: None,
        last_started_at: Some(at(0)),
        last_finished_at: Some(at(3)),
        last_succeeded_at: Some(at(3)),
        last_duration_ms: Some(3),
        last_outcome: Some(json!({"jobs": 2})),
        last_error: None,
        runs: 1,
        interval: Some(TimeDelta::seconds(1)),
    };
    assert_eq!(one(&db).await, expected);
    assert!(!reconciler_claim(&db, &claim(2, 9)).await.unwrap(), "not due");
    assert!(reconciler_claim(&db, &claim(2, 10)).await.unwrap());
    let failed = Run { now: at(12), duration_ms: 2, outcome: Err("no".into()) };
    reconciler_finish(&db, "sweep", id_at(0, 2), &failed).await.unwrap();
    let after = one(&db).await;
    assert_eq!((after.last_finished_at, after.last_succeeded_at), (Some(at(12)), Some(at(3))));
    assert_eq!((after.last_outcome, after.last_error.as_deref(), after.runs), (None, Some("no"), 2));
}

async fn the_claim_of_a_dead_holder_expires(db: Case) {
    reconciler_put(&db, &[("sweep", TimeDelta::seconds(1))]).await.unwrap();
    assert!(reconciler_claim(&db, &claim(1, 0)).await.unwrap());
    assert!(!reconciler_claim(&db, &claim(2, 100)).await.unwrap());
    assert!(reconciler_claim(&db, &claim(2, 101)).await.unwrap());
}

async fn a_lost_holder_records_nothing(db: Case) {
    reconciler_put(&db, &[("sweep", TimeDelta::seconds(1))]).await.unwrap();
    assert!(reconciler_claim(&db, &claim(1, 0)).await.unwrap());
    assert!(reconciler_claim(&db, &claim(2, 101)).await.unwrap());
    let run = Run { now: at(102), duration_ms: 102, outcome: Ok(json!({})) };
    reconciler_finish(&db, "sweep", id_at(0, 1), &run).await.unwrap();
    assert_eq!((one(&db).await.holder, one(&db).await.runs), (Some(id_at(0, 2)), 0));
}

async fn live_hubs_are_distinguished_from_dead_ones(db: Case) {
    let services = Some(vec!["orchestrator".to_owned(), "toy".to_owned()]);
    let hub = |nth: u32, seen: i64| Replica {
        id: id_at(0, nth),
        version: "1".into(),
        started_at: at(0),
        last_seen_at: at(seen),
        services: services.clone(),
        public_key: Some(vec![7, 0, 255]),
    };
    for hub in [hub(1, 1), hub(2, 5), hub(1, 9)] {
        replica_beat(&db, &hub, at(0)).await.unwrap();
    }
    assert_eq!(replica_list(&db, at(5)).await.unwrap(), [hub(1, 9), hub(2, 5)]);
    assert_eq!(replica_list(&db, at(6)).await.unwrap(), [hub(1, 9)]);
    replica_beat(&db, &hub(1, 20), at(6)).await.unwrap();
    assert_eq!(db.rows("replicas").await, 1);
    assert_eq!(replica_list(&db, at(0)).await.unwrap().iter().map(|hub| hub.id).collect::<Vec<_>>(), [id_at::<ReplicaId>(0, 1)]);
}
