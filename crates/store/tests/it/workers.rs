use std::collections::HashSet;

use domain::{
    Scope,
    ids::{AutomationId, WorkerId},
    job::Status,
    worker::{Life, State},
};
use store::workers::{
    Filter, HeldJob, Identity, Seen, Vitals, Worker, worker_delete, worker_find_unscoped, worker_get, worker_insert, worker_jobs,
    worker_list, worker_list_known_unscoped, worker_list_lives, worker_list_seen_unscoped, worker_note_seen, worker_pause, worker_renew,
    worker_replace, worker_resume, worker_stop,
};
use uuid::Uuid;

use crate::{
    case::Case,
    fixtures::{at, change, hold, id_at, insert, new_job, set_status},
};

both!(
    worker_round_trips,
    a_renewal_keeps_id_first_registration_and_pause,
    a_name_is_taken_over_only_when_its_worker_is_gone,
    of_concurrent_registrations_one_gets_the_name,
    a_contact_updates_the_heartbeat,
    a_heartbeat_notes_vitals_and_does_not_revive,
    many_contacts_are_recorded_at_once,
    workers_with_a_recent_heartbeat_are_listed_in_any_state,
    only_a_running_worker_is_paused,
    a_paused_worker_is_resumed_alive_or_not,
    only_a_worker_that_is_gone_is_deleted,
    conditions_and_rule_agree_on_states,
    queues_labels_and_pages_select_workers,
    jobs_of_a_worker_are_those_it_holds,
);

fn life(seen: i64) -> Life {
    Life { last_seen_at: at(seen), paused_at: None, stopped_at: None }
}

pub(crate) fn worker(id: WorkerId, name: &str) -> Worker {
    Worker {
        id,
        name: name.into(),
        queues: vec!["invoices".into(), "ação".into()],
        labels: vec!["sap".into(), "windows".into()],
        slots: 2,
        version: "1.0.0".into(),
        hostname: "robot-1".into(),
        uses_broker: true,
        registered_at: at(1),
        life: life(1),
        paused_by: None,
        vitals: Vitals::default(),
        instance_id: Some(Uuid::from_u128(7)),
        pid: Some(4_194_304),
        credential: Some("key".into()),
    }
}

async fn add(db: &Case, nth: u32, life: Life) -> WorkerId {
    assert!(worker_insert(db, &Worker { life, ..worker(id_at(1, nth), &format!("w{nth}")) }).await.unwrap());
    id_at(1, nth)
}

async fn worker_round_trips(db: Case) {
    let paused = Life { last_seen_at: at(3), paused_at: Some(at(2)), stopped_at: Some(at(4)) };
    let vitals = Vitals { running_jobs: 3, cpu_percent: Some(12.5), memory_bytes: Some(1 << 40) };
    let expected = Worker { life: paused, paused_by: Some("admin".into()), vitals, ..worker(id_at(1, 1), "a") };
    assert!(worker_insert(&db, &expected).await.unwrap());
    assert_eq!(worker_get(&db, &Scope::All, expected.id).await.unwrap(), Some(expected.clone()));
    assert_eq!(worker_find_unscoped(&db, "a").await.unwrap(), Some(expected));
    assert_eq!((worker_find_unscoped(&db, "b").await.unwrap(), worker_get(&db, &Scope::All, id_at(1, 2)).await.unwrap()), (None, None));
    assert_eq!(worker_list_lives(&db, &Scope::All).await.unwrap(), [paused]);
}

async fn a_renewal_keeps_id_first_registration_and_pause(db: Case) {
    let first = Life { last_seen_at: at(1), paused_at: Some(at(1)), stopped_at: Some(at(1)) };
    let known = Worker { life: first, paused_by: Some("admin".into()), ..worker(id_at(1, 1), "a") };
    assert!(worker_insert(&db, &known).await.unwrap());
    let again = Worker {
        queues: vec![],
        labels: vec!["linux".into()],
        slots: 9,
        version: "2.0.0".into(),
        hostname: "robot-2".into(),
        uses_broker: false,
        registered_at: at(5),
        life: life(5),
        instance_id: None,
        pid: None,
        credential: Some("token:1".into()),
        ..worker(id_at(2, 2), "a")
    };
    assert!(!worker_insert(&db, &again).await.unwrap(), "the name is taken");
    assert!(worker_renew(&db, &known, &again).await.unwrap());
    let kept = Life { paused_at: Some(at(1)), ..life(5) };
    let expected = Worker { id: id_at(1, 1), registered_at: at(1), life: kept, paused_by: Some("admin".into()), ..again.clone() };
    assert_eq!(worker_list_seen_unscoped(&db, at(0)).await.unwrap(), [expected]);
    assert!(!worker_renew(&db, &known, &again).await.unwrap(), "it has changed hands since it was read");
}

async fn a_name_is_taken_over_only_when_its_worker_is_gone(db: Case) {
    let paused = Life { paused_at: Some(at(1)), ..life(100) };
    let known = Worker { life: paused, paused_by: Some("admin".into()), credential: None, instance_id: None, ..worker(id_at(1, 1), "a") };
    assert!(worker_insert(&db, &known).await.unwrap());
    let next = Worker { life: life(120), registered_at: at(120), ..worker(id_at(2, 2), "a") };
    assert!(!worker_replace(&db, &known, &next, Some(at(100))).await.unwrap(), "it is alive");
    let read_wrong = Worker { instance_id: Some(id_at(9, 9)), ..known.clone() };
    assert!(!worker_replace(&db, &read_wrong, &next, Some(at(101))).await.unwrap(), "it has changed hands");
    assert!(worker_replace(&db, &known, &next, Some(at(101))).await.unwrap());
    assert_eq!(worker_get(&db, &Scope::All, known.id).await.unwrap(), None, "the earlier id is no longer good");
    let kept = Life { paused_at: Some(at(1)), ..life(120) };
    let held = Worker { life: kept, paused_by: Some("admin".into()), ..next };
    assert_eq!(worker_find_unscoped(&db, "a").await.unwrap(), Some(held.clone()));
    let same_process = Worker { id: id_at(3, 3), credential: Some("token:2".into()), ..held.clone() };
    assert!(worker_replace(&db, &held, &same_process, None).await.unwrap(), "the same process with another credential does not wait");
    assert_eq!(worker_find_unscoped(&db, "a").await.unwrap(), Some(same_process));
}

async fn of_concurrent_registrations_one_gets_the_name(db: Case) {
    let tasks: Vec<_> = (0..8)
        .map(|nth| {
            let database = db.database.clone();
            tokio::spawn(async move { worker_insert(&database, &worker(id_at(1, nth), "a")).await.unwrap() })
        })
        .collect();
    let mut got = 0;
    for task in tasks {
        got += usize::from(task.await.unwrap());
    }
    assert_eq!((got, db.rows("workers").await), (1, 1));
    let known = worker_find_unscoped(&db, "a").await.unwrap().unwrap();
    let heirs: Vec<_> = (10..18)
        .map(|nth| {
            let (database, known) = (db.database.clone(), known.clone());
            let heir = Worker { instance_id: Some(id_at(2, nth)), life: life(900), ..worker(id_at(1, nth), "a") };
            tokio::spawn(async move { worker_replace(&database, &known, &heir, Some(at(500))).await.unwrap() })
        })
        .collect();
    let mut got = 0;
    for heir in heirs {
        got += usize::from(heir.await.unwrap());
    }
    assert_eq!((got, db.rows("workers").await), (1, 1));
}

async fn a_contact_updates_the_heartbeat(db: Case) {
    let id = add(&db, 1, Life { stopped_at: Some(at(2)), ..life(1) }).await;
    let seen = |id, second, revives| Seen { id, at: at(second), vitals: None, revives };
    assert_eq!(worker_note_seen(&db, &[seen(id, 8, false)]).await.unwrap(), HashSet::new());
    assert_eq!(worker_get(&db, &Scope::All, id).await.unwrap().unwrap().life, Life { stopped_at: Some(at(2)), ..life(8) });
    let unknown = worker_note_seen(&db, &[seen(id, 9, true), seen(id_at(1, 2), 9, true)]).await.unwrap();
    assert_eq!(unknown, HashSet::from([id_at(1, 2)]));
    assert_eq!(worker_get(&db, &Scope::All, id).await.unwrap().unwrap().life, life(9));
}

async fn a_heartbeat_notes_vitals_and_does_not_revive(db: Case) {
    let id = add(&db, 1, life(1)).await;
    let vitals = Vitals { running_jobs: 2, cpu_percent: Some(99.5), memory_bytes: Some(7) };
    let heartbeat = async |second| {
        let seen = Seen { id, at: at(second), vitals: Some(vitals), revives: false };
        assert_eq!(worker_note_seen(&db, &[seen]).await.unwrap(), HashSet::new());
    };
    heartbeat(9).await;
    assert_eq!(worker_get(&db, &Scope::All, id).await.unwrap().unwrap(), Worker { life: life(9), vitals, ..worker(id, "w1") });
    assert!(worker_stop(&db, id, at(10)).await.unwrap());
    assert!(!worker_stop(&db, id_at(1, 2), at(10)).await.unwrap());
    heartbeat(11).await;
    let stopped = worker_get(&db, &Scope::All, id).await.unwrap().unwrap();
    assert_eq!(stopped.life, Life { stopped_at: Some(at(10)), ..life(11) });
}

async fn many_contacts_are_recorded_at_once(db: Case) {
    let mut ids = Vec::new();
    for nth in 1..=40 {
        ids.push(add(&db, nth, life(1)).await);
    }
    let vitals = Vitals { running_jobs: 3, cpu_percent: None, memory_bytes: Some(5) };
    let mut signs: Vec<Seen> = ids.iter().rev().map(|id| Seen { id: *id, at: at(7), vitals: None, revives: false }).collect();
    signs.push(Seen { id: ids[0], at: at(8), vitals: Some(vitals), revives: false });
    signs.push(Seen { id: ids[0], at: at(9), vitals: None, revives: false });
    assert_eq!(worker_note_seen(&db, &signs).await.unwrap(), HashSet::new());
    assert_eq!(worker_get(&db, &Scope::All, ids[0]).await.unwrap().unwrap(), Worker { life: life(9), vitals, ..worker(ids[0], "w1") });
    for (nth, id) in ids.iter().enumerate().skip(1) {
        assert_eq!(
            worker_get(&db, &Scope::All, *id).await.unwrap().unwrap(),
            Worker { life: life(7), ..worker(*id, &format!("w{}", nth + 1)) }
        );
    }
}

async fn workers_with_a_recent_heartbeat_are_listed_in_any_state(db: Case) {
    for (nth, life) in [
        (1, life(100)),
        (2, life(101)),
        (3, life(1_000)),
        (4, Life { paused_at: Some(at(0)), ..life(200) }),
        (5, Life { stopped_at: Some(at(0)), ..life(200) }),
    ] {
        add(&db, nth, life).await;
    }
    let mut seen: Vec<String> = worker_list_seen_unscoped(&db, at(101)).await.unwrap().into_iter().map(|worker| worker.name).collect();
    seen.sort();
    assert_eq!(seen, ["w2", "w3", "w4", "w5"]);
    let mut known = worker_list_known_unscoped(&db).await.unwrap();
    known.sort_by_key(|known| known.id);
    let identity = |nth| Identity { id: id_at(1, nth), name: format!("w{nth}"), credential: Some("key".into()), paused: nth == 4 };
    assert_eq!(known, [1, 2, 3, 4, 5].map(identity));
}

async fn only_a_running_worker_is_paused(db: Case) {
    let running = add(&db, 1, life(100)).await;
    let lost = add(&db, 2, life(99)).await;
    let stopped = add(&db, 3, Life { stopped_at: Some(at(100)), ..life(100) }).await;
    for (id, expected) in [(running, true), (running, false), (lost, false), (stopped, false), (id_at(9, 9), false)] {
        assert_eq!(worker_pause(&db, &test_support::change(), id, at(120), at(100)).await.unwrap(), expected, "{id}");
    }
    let paused = worker_get(&db, &Scope::All, running).await.unwrap().unwrap();
    assert_eq!((paused.life.paused_at, paused.paused_by.as_deref()), (Some(at(120)), Some("ana")));
}

async fn a_paused_worker_is_resumed_alive_or_not(db: Case) {
    let alive = add(&db, 1, Life { paused_at: Some(at(1)), ..life(100) }).await;
    let stopped = add(&db, 2, Life { paused_at: Some(at(1)), stopped_at: Some(at(2)), ..life(1) }).await;
    for id in [alive, stopped] {
        assert!(worker_resume(&db, &test_support::change(), id, at(0)).await.unwrap());
        assert!(!worker_resume(&db, &test_support::change(), id, at(0)).await.unwrap());
        assert_eq!(worker_get(&db, &Scope::All, id).await.unwrap().unwrap().life.paused_at, None);
    }
}

async fn only_a_worker_that_is_gone_is_deleted(db: Case) {
    let lives = [
        (life(100), false),
        (life(99), true),
        (Life { stopped_at: Some(at(1)), ..life(100) }, true),
        (Life { paused_at: Some(at(1)), ..life(100) }, false),
        (Life { paused_at: Some(at(1)), ..life(99) }, true),
    ];
    for (nth, (life, expected)) in (1..).zip(lives) {
        let id = add(&db, nth, life).await;
        assert_eq!(worker_delete(&db, &test_support::change(), id, at(0), at(100)).await.unwrap(), expected, "{life:?}");
        assert_eq!(worker_get(&db, &Scope::All, id).await.unwrap().is_none(), expected);
    }
}

/// The rule is written twice: for one worker in `domain`, for the database here.
async fn conditions_and_rule_agree_on_states(db: Case) {
    let mut nth = 0;
    for seen in [99, 100, 101] {
        for paused_at in [None, Some(at(5))] {
            for stopped_at in [None, Some(at(100))] {
                nth += 1;
                add(&db, nth, Life { last_seen_at: at(seen), paused_at, stopped_at }).await;
            }
        }
    }
    let lease = chrono::TimeDelta::milliseconds(20);
    let mut count = 0;
    for state in State::ALL {
        let listed = worker_list(&db, &Scope::All, &Filter { state: Some(state), limit: 100, ..Filter::default() }, at(100)).await.unwrap();
        assert!(listed.iter().all(|worker| worker.life.state(lease, at(120)) == state), "{state}: {listed:?}");
        count += listed.len();
    }
    assert_eq!(count, 12);
}

async fn queues_labels_and_pages_select_workers(db: Case) {
    for nth in 0..600 {
        let odd = nth % 2 == 1;
        let (queues, labels) = if odd { (vec!["odd".into()], vec![]) } else { (vec!["even".into()], vec![format!("n{}", nth % 4)]) };
        let one = Worker { queues, labels, ..worker(id_at(1, nth), &format!("w{nth}")) };
        assert!(worker_insert(&db, &one).await.unwrap());
    }
    let names = async |filter: Filter| -> Vec<String> {
        worker_list(&db, &Scope::All, &filter, at(0)).await.unwrap().into_iter().map(|worker| worker.name).collect()
    };
    let odd = |limit, after| Filter { queue: Some("odd".into()), limit, after, ..Filter::default() };
    assert_eq!(names(odd(2, None)).await, ["w1", "w3"]);
    assert_eq!(names(odd(2, Some(id_at(1, 3)))).await, ["w5", "w7"]);
    assert_eq!(names(odd(1000, None)).await.len(), 300, "behind the first rows too");
    assert_eq!(names(Filter { label: Some("n2".into()), limit: 2, ..Filter::default() }).await, ["w2", "w6"]);
    assert_eq!(names(Filter { label: Some("n2".into()), ..odd(5, None) }).await, [""; 0]);
    assert_eq!(names(Filter { limit: 3, ..Filter::default() }).await, ["w0", "w1", "w2"]);
}

async fn jobs_of_a_worker_are_those_it_holds(db: Case) {
    let jobs: Vec<_> = (1..=4).map(new_job).collect();
    insert(&db, &jobs).await;
    let (mine, other) = (id_at(0, 1), id_at(0, 2));
    for (job, holder) in jobs.iter().zip([mine, other, mine, mine]) {
        hold(&db, job.id, Some(holder), at(9)).await;
    }
    change(&db, jobs[2].id, |row| row.started_at = Some(at(3))).await;
    set_status(&db, jobs[2].id, Status::Paused).await;
    set_status(&db, jobs[3].id, Status::Completed).await;
    let held = |nth: usize, status, started_at| HeldJob {
        id: jobs[nth].id,
        automation_id: AutomationId::new(1),
        queue_name: "invoices".into(),
        status,
        started_at,
        lease_expires_at: Some(at(9)),
    };
    let expected = [held(0, Status::Running, None), held(2, Status::Paused, Some(at(3)))];
    assert_eq!(worker_jobs(&db, &Scope::All, mine).await.unwrap(), expected);
}
