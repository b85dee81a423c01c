//! What somebody who reaches some automations sees of everything else.

use std::{fs, path::Path};

use domain::{
    Scope,
    ids::{AutomationId, WorkerId},
};
use store::{
    automations::{self, Draft, automation_archive, automation_get, automation_insert, automation_list},
    dead_letters::{DeadLetter, dead_letter_count, dead_letter_get, dead_letter_insert, dead_letter_list, dead_letter_list_open},
    jobs::{Filter, NewJob, Payload, job_count, job_get, job_get_row, job_list_page},
    queues::{queue_get, queue_list, queue_pause},
    worker_tokens::{WorkerToken, worker_token_insert, worker_token_list},
    workers::{Worker, worker_get, worker_insert, worker_jobs, worker_list},
};

use crate::{
    case::Case,
    dead_letters::letter,
    fixtures::{at, draft, hold, id_at, insert, new_job},
    worker_tokens::token,
    workers::worker,
};

both!(
    jobs_are_those_of_its_automations,
    automations_are_its_own,
    queues_are_those_that_its_automations_name,
    workers_are_those_that_serve_its_queues,
    dead_letters_go_by_their_job_or_else_by_their_queue,
    tokens_are_those_for_its_queues_alone,
);

/// Automations with queues of the same names, and the scopes that reach all, the first, and none.
async fn world(db: &Case) -> ([AutomationId; 2], [Scope; 3]) {
    let add = async |name: &str| {
        automation_insert(db, &Scope::All, &test_support::change(), &Draft { queue_name: name.to_owned(), ..draft(name) }, at(1))
            .await
            .unwrap()
            .id
    };
    let ids = [add("mine").await, add("yours").await];
    (ids, [Scope::All, Scope::automations([ids[0]]), Scope::NOTHING])
}

fn of(automation_id: AutomationId, queue: &str, nth: u32) -> NewJob {
    NewJob { automation_id, queue_name: queue.to_owned(), ..new_job(nth) }
}

async fn jobs_are_those_of_its_automations(db: Case) {
    let ([mine, yours], scopes) = world(&db).await;
    let jobs = [of(mine, "mine", 1), of(yours, "yours", 2)];
    insert(&db, &jobs).await;
    let filter = Filter { limit: 10, ..Filter::default() };
    for (scope, expected) in scopes.into_iter().zip([vec![2, 1], vec![1], vec![]]) {
        let page = job_list_page(&db, &scope, &filter, Payload::All, u64::MAX).await.unwrap();
        let listed: Vec<_> = page.rows.iter().map(|(row, _)| row.job.id).collect();
        assert_eq!(listed, expected.iter().map(|nth| new_job(*nth).id).collect::<Vec<_>>(), "{scope:?}");
        assert_eq!(job_count(&db, &scope, &filter, 10).await.unwrap(), expected.len() as u64);
        for (nth, job) in (1..).zip(&jobs) {
            let reached = expected.contains(&nth);
            assert_eq!(job_get(&db, &scope, job.id).await.unwrap().is_some(), reached);
            assert_eq!(job_get_row(&db, &scope, job.id).await.unwrap().is_some(), reached);
        }
    }
}

async fn automations_are_its_own(db: Case) {
    let (ids, scopes) = world(&db).await;
    for (scope, expected) in scopes.into_iter().zip([ids.to_vec(), vec![ids[0]], vec![]]) {
        let listed: Vec<_> = automation_list(&db, &scope, &Default::default()).await.unwrap().into_iter().map(|found| found.id).collect();
        assert_eq!(listed, expected, "{scope:?}");
        for (id, name) in ids.into_iter().zip(["mine", "yours"]) {
            let reached = expected.contains(&id);
            assert_eq!(automation_get(&db, &scope, id).await.unwrap().is_some(), reached);
            let named = automations::Filter { name: Some(name.to_owned()), ..automations::Filter::default() };
            assert_eq!(automation_list(&db, &scope, &named).await.unwrap().len(), usize::from(reached));
        }
    }
}

async fn queues_are_those_that_its_automations_name(db: Case) {
    let ([mine, yours], scopes) = world(&db).await;
    insert(&db, &[of(mine, "mine", 1), of(yours, "yours", 2)]).await;
    let pause = domain::policy::Pause { at: at(1), until: None, reason: None, by: "ana".into() };
    queue_pause(&db, &test_support::change(), "nobody's", &pause, at(0)).await.unwrap();
    automation_archive(&db, &test_support::change(), mine, at(2)).await.unwrap();
    let names = ["mine", "nobody's", "yours"];
    for (scope, expected) in scopes.into_iter().zip([names.to_vec(), vec!["mine"], vec![]]) {
        let listed: Vec<_> = queue_list(&db, &scope).await.unwrap().into_iter().map(|queue| queue.name).collect();
        assert_eq!(listed, expected, "{scope:?}");
        for name in names {
            assert_eq!(queue_get(&db, &scope, name).await.unwrap().is_some(), expected.contains(&name));
        }
    }
}

async fn workers_are_those_that_serve_its_queues(db: Case) {
    let ([mine, yours], scopes) = world(&db).await;
    let workers = [(1, vec!["mine", "yours"]), (2, vec!["yours"]), (3, vec!["*"])];
    for (nth, queues) in workers {
        let queues = queues.into_iter().map(str::to_owned).collect();
        worker_insert(&db, &Worker { queues, ..worker(id_at(1, nth), &format!("w{nth}")) }).await.unwrap();
    }
    insert(&db, &[of(mine, "mine", 1), of(yours, "yours", 2)]).await;
    for nth in [1, 2] {
        hold(&db, new_job(nth).id, Some(id_at(1, 1)), at(9)).await;
    }
    let filter = store::workers::Filter { limit: 10, ..Default::default() };
    for (scope, (expected, held)) in scopes.into_iter().zip([(vec![1, 2, 3], 2), (vec![1, 3], 1), (vec![], 0)]) {
        let listed: Vec<_> = worker_list(&db, &scope, &filter, at(0)).await.unwrap().into_iter().map(|worker| worker.id).collect();
        assert_eq!(listed, expected.iter().map(|nth| id_at(1, *nth)).collect::<Vec<WorkerId>>(), "{scope:?}");
        for nth in [1, 2, 3] {
            assert_eq!(worker_get(&db, &scope, id_at(1, nth)).await.unwrap().is_some(), expected.contains(&nth));
        }
        assert_eq!(worker_jobs(&db, &scope, id_at(1, 1)).await.unwrap().len(), held);
    }
}

async fn dead_letters_go_by_their_job_or_else_by_their_queue(db: Case) {
    let ([mine, yours], scopes) = world(&db).await;
    insert(&db, &[of(mine, "shared", 1), of(yours, "mine", 2)]).await;
    let named = |nth, queue: &str, job| DeadLetter { queue_name: queue.into(), job_id: job, ..letter(nth) };
    let letters = [
        named(1, "elsewhere", Some(new_job(1).id)),
        named(2, "mine", Some(new_job(2).id)),
        named(3, "mine", Some(id_at(7, 7))),
        named(4, "mine", None),
        named(5, "yours", None),
    ];
    for letter in &letters {
        dead_letter_insert(&db, letter).await.unwrap();
    }
    let filter = store::dead_letters::Filter { limit: 10, ..Default::default() };
    for (scope, expected) in scopes.into_iter().zip([vec![1, 2, 3, 4, 5], vec![1, 3, 4], vec![]]) {
        let ids: Vec<_> = expected.iter().map(|nth| letter(*nth).id).collect();
        let open: Vec<_> = dead_letter_list_open(&db, &scope, &filter).await.unwrap().into_iter().map(|letter| letter.id).collect();
        assert_eq!(open, ids, "{scope:?}");
        let newest_first: Vec<_> = dead_letter_list(&db, &scope, &filter).await.unwrap().into_iter().map(|letter| letter.id).collect();
        assert_eq!(newest_first, ids.iter().rev().copied().collect::<Vec<_>>());
        assert_eq!(dead_letter_count(&db, &scope, &filter).await.unwrap(), expected.len() as u64);
        for letter in &letters {
            assert_eq!(dead_letter_get(&db, &scope, letter.id).await.unwrap().is_some(), ids.contains(&letter.id));
        }
    }
}

async fn tokens_are_those_for_its_queues_alone(db: Case) {
    let (_, scopes) = world(&db).await;
    for (nth, queues) in [(1, Some(vec!["mine"])), (2, Some(vec!["mine", "yours"])), (3, None), (4, Some(vec!["mine"]))] {
        let queues = queues.map(|queues| queues.into_iter().map(str::to_owned).collect());
        worker_token_insert(&db, &test_support::change(), &WorkerToken { queues, ..token(nth) }).await.unwrap();
    }
    for (scope, expected) in scopes.into_iter().zip([vec![1, 2, 3, 4], vec![1, 4], vec![]]) {
        let listed = async |after, limit| {
            let tokens = worker_token_list(&db, &scope, after, limit).await.unwrap();
            tokens.into_iter().map(|token| token.id).collect::<Vec<_>>()
        };
        let ids: Vec<_> = expected.iter().map(|nth| token(*nth).id).collect();
        assert_eq!(listed(None, 10).await, ids, "{scope:?}");
        assert_eq!(listed(None, 1).await, ids.iter().take(1).copied().collect::<Vec<_>>());
        assert_eq!(listed(ids.first().copied(), 10).await, ids.iter().skip(1).copied().collect::<Vec<_>>());
    }
}

/// Heads of the public functions of these modules.
fn functions() -> Vec<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut heads = Vec::new();
    for module in ["automations", "dead_letters", "jobs", "queues", "worker_tokens", "workers"] {
        let below = fs::read_dir(source.join(module)).into_iter().flatten().map(|entry| entry.unwrap().path());
        for file in below.chain([source.join(format!("{module}.rs"))]) {
            let text = fs::read_to_string(file).unwrap();
            let found = text.split("\npub async fn ").skip(1).map(|rest| rest.split(" {\n").next().unwrap().to_owned());
            heads.extend(found);
        }
    }
    heads
}

#[test]
fn every_query_takes_a_scope_or_is_named_unscoped() {
    let heads = functions();
    assert!(heads.len() > 50, "{} functions", heads.len());
    for head in heads {
        let name = head.split(['(', '<']).next().unwrap();
        let finds = name.split('_').any(|word| ["get", "list", "find", "count"].contains(&word));
        let says_so = name.ends_with("_unscoped") || name.ends_with("_in_txn");
        assert_eq!(finds, finds && (says_so != head.contains("scope: &Scope")), "{name} takes a `scope`, or ends in `_unscoped`");
    }
}
