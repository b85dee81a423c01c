use std::net::IpAddr;

use auth::chain::{Checked, FIRST_HASH, Flaw, Verifier, link_hash};
use chrono::{DateTime, TimeDelta, Utc};
use domain::audit::{ActorKind, Author, Change, Target};
use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;
use store::{
    Database,
    audit::{
        Filter, audit_chain_page, audit_head, audit_insert, audit_insert_in_txn, audit_list, audit_list_sealed, audit_list_unsealed,
        audit_seal,
    },
};

use crate::{
    case::Case,
    fixtures::{at, commit},
};

both!(
    an_entry_round_trips,
    an_entry_is_rolled_back_with_its_change,
    nothing_of_the_trail_can_be_changed_or_removed,
    entries_are_found_by_who_what_and_when,
    replicas_that_insert_and_seal_at_once_make_one_chain,
    what_was_changed_past_the_hub_is_found,
);

fn by(actor: &str) -> Change {
    let address: IpAddr = "2001:db8::7".parse().unwrap();
    Change::by(Author {
        actor: actor.to_owned(),
        kind: ActorKind::User,
        credential: Some("session:1".to_owned()),
        address: Some(address),
        request_id: Some("r-1".to_owned()),
    })
}

async fn add(database: &Database, actor: &str, action: &'static str, target: &str, when: DateTime<Utc>) {
    let entry = by(actor).entry(action, Target::new("automation", target), None, Some(json!({"é": 1.50})));
    commit(database, async |txn| audit_insert_in_txn(txn, &entry, when).await).await.unwrap();
}

async fn seal(database: &Database) -> u64 {
    audit_seal(database, 100, FIRST_HASH, link_hash).await.unwrap()
}

/// What a check finds, and how many links there are.
async fn verified(database: &Database) -> (Vec<Flaw>, i64) {
    let (mut verifier, mut flaws) = (Verifier::new(None), Vec::new());
    loop {
        let page = audit_chain_page(database, verifier.head().seq, 100).await.unwrap();
        for sealed in &page {
            let link = &sealed.link;
            let (seq, entry_id, prev_hash, hash) = (link.seq, link.entry_id, &*link.prev_hash, &*link.hash);
            flaws.extend(verifier.check(Checked { seq, entry_id, prev_hash, hash, entry: sealed.entry.as_ref() }));
        }
        if page.is_empty() {
            return (flaws, verifier.head().seq);
        }
    }
}

async fn an_entry_round_trips(db: Case) {
    let now = at(1) + TimeDelta::nanoseconds(123_456_789);
    let entry = by("ana").entry("user.update", Target::new("user", 7), Some(json!({"a": "x\u{0}", "password": "p"})), Some(json!({})));
    audit_insert(&db, &entry, now).await.unwrap();
    let found = audit_list(&db, &Filter::default(), None, 10).await.unwrap();
    let [(recorded, None)] = found.as_slice() else { panic!("{found:?}") };
    let kept = entry.recorded(recorded.id, at(1) + TimeDelta::microseconds(123_456));
    assert_eq!(*recorded, kept);
    assert_eq!(recorded.before.as_deref(), Some(r#"{"a":"x\u0000","password":"***"}"#));
    assert_eq!(recorded.canonical(), kept.canonical());
}

async fn an_entry_is_rolled_back_with_its_change(db: Case) {
    let txn = db.begin().await.unwrap();
    let entry = by("ana").entry("user.update", Target::new("user", 7), None, None);
    audit_insert_in_txn(&txn, &entry, at(1)).await.unwrap();
    drop(txn);
    assert_eq!(db.rows("audit_entries").await + db.rows("audit_unsealed").await, 0);
}

async fn nothing_of_the_trail_can_be_changed_or_removed(db: Case) {
    add(&db, "ana", "automation.pause", "7", at(1)).await;
    assert_eq!(seal(&db).await, 1);
    let raw = db.raw().await;
    let mut refused = vec![
        "UPDATE audit_entries SET actor = 'bea'",
        "DELETE FROM audit_entries",
        "UPDATE audit_chain SET seq = 2",
        "DELETE FROM audit_chain WHERE seq = 1",
    ];
    if db.is_postgres() {
        refused.extend(["TRUNCATE audit_entries CASCADE", "TRUNCATE audit_chain", "UPDATE audit_entries SET actor = 'x' WHERE false"]);
    } else {
        refused.push("INSERT OR REPLACE INTO audit_entries SELECT id, at, 'bea', actor_kind, credential, address, request_id, action, target_kind, target_id, before, after FROM audit_entries");
        refused.push("INSERT OR REPLACE INTO audit_chain SELECT 2, entry_id, prev_hash, hash FROM audit_chain");
        refused.push("INSERT OR REPLACE INTO audit_chain SELECT seq, 'x', 'y', hash FROM audit_chain");
    }
    for sql in refused {
        let refusal: DbErr = raw.execute_unprepared(sql).await.unwrap_err();
        assert!(refusal.to_string().contains("append-only"), "{sql}: {refusal}");
    }
    raw.close().await.unwrap();
    assert_eq!(verified(&db).await, (vec![], 1));
}

async fn entries_are_found_by_who_what_and_when(db: Case) {
    for (nth, (actor, action, target)) in
        [("ana", "automation.pause", "7"), ("bea", "automation.pause", "8"), ("ana", "automation.resume", "7")].into_iter().enumerate()
    {
        add(&db, actor, action, target, at(i64::try_from(nth).unwrap())).await;
    }
    assert_eq!(seal(&db).await, 3);
    let millis = async |filter: Filter| -> Vec<i64> {
        let found = audit_list(&db, &filter, None, 10).await.unwrap();
        found.iter().map(|(entry, link)| (entry.at - at(0)).num_milliseconds() + 10 * link.as_ref().unwrap().seq).collect()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(millis(Filter::default()).await, [32, 21, 10]);
    assert_eq!(millis(Filter { actor: text("ana"), ..Filter::default() }).await, [32, 10]);
    assert_eq!(millis(Filter { action: text("automation.pause"), ..Filter::default() }).await, [21, 10]);
    assert_eq!(millis(Filter { target_kind: text("automation"), target_id: text("8"), ..Filter::default() }).await, [21]);
    assert_eq!(millis(Filter { target_kind: text("job"), ..Filter::default() }).await, [0; 0]);
    assert_eq!(millis(Filter { from: Some(at(1)), ..Filter::default() }).await, [32, 21]);
    assert_eq!(millis(Filter { from: Some(at(1)), to: Some(at(2)), ..Filter::default() }).await, [21]);
    assert_eq!(millis(Filter { to: Some(at(0) + TimeDelta::microseconds(1)), ..Filter::default() }).await, [10]);
    let first = audit_list(&db, &Filter::default(), None, 1).await.unwrap();
    let rest = audit_list(&db, &Filter::default(), Some(first[0].0.id), 10).await.unwrap();
    assert_eq!((first.len(), rest.len()), (1, 2));
    let sealed = async |filter: Filter, after, upto| -> Vec<i64> {
        audit_list_sealed(&db, &filter, after, upto).await.unwrap().into_iter().map(|(_, link)| link.seq).collect()
    };
    assert_eq!(sealed(Filter::default(), 0, 2).await, [1, 2]);
    assert_eq!(sealed(Filter { actor: text("ana"), ..Filter::default() }, 1, 9).await, [3]);
    assert_eq!(audit_head(&db).await.unwrap().unwrap().seq, 3);
}

async fn replicas_that_insert_and_seal_at_once_make_one_chain(db: Case) {
    let insert = |connection: i64| {
        let database = db.database.clone();
        tokio::spawn(async move {
            for nth in 0..50 {
                // Older ones are inserted later, as by a replica whose clock is behind.
                add(&database, "ana", "automation.pause", &format!("{connection}/{nth}"), at(100 - nth - connection)).await;
                if nth % 7 == 0 {
                    seal(&database).await;
                }
            }
        })
    };
    let other = db.other_hub().await;
    let seals = tokio::spawn(async move {
        for _ in 0..20 {
            seal(&other).await;
            tokio::task::yield_now().await;
        }
        other.close().await.unwrap();
    });
    futures_util::future::join_all((0..8).map(insert)).await.into_iter().for_each(|inserted| inserted.unwrap());
    seals.await.unwrap();
    while seal(&db).await > 0 {}
    assert_eq!((db.rows("audit_entries").await, db.rows("audit_chain").await, db.rows("audit_unsealed").await), (400, 400, 0));
    assert_eq!(verified(&db).await, (vec![], 400), "seq 1..400, each after the one before");
    let raw = db.raw().await;
    assert_eq!(crate::case::number(&raw, "SELECT count(DISTINCT prev_hash) FROM audit_chain").await, 400);
    assert_eq!(crate::case::number(&raw, "SELECT count(DISTINCT entry_id) FROM audit_chain").await, 400);
    raw.close().await.unwrap();
}

async fn what_was_changed_past_the_hub_is_found(db: Case) {
    for nth in 0..4 {
        add(&db, "ana", "automation.pause", &nth.to_string(), at(nth)).await;
    }
    assert_eq!(seal(&db).await, 4);
    add(&db, "ana", "automation.pause", "late", at(9)).await;
    let mut ids: Vec<_> = audit_list(&db, &Filter::default(), None, 10).await.unwrap().into_iter().map(|(entry, _)| entry.id).collect();
    ids.reverse();
    let raw = db.raw().await;
    let without_triggers = if db.is_postgres() {
        "ALTER TABLE audit_entries DISABLE TRIGGER ALL; ALTER TABLE audit_chain DISABLE TRIGGER ALL"
    } else {
        "DROP TRIGGER audit_entries_no_update; DROP TRIGGER audit_entries_no_delete; PRAGMA foreign_keys = OFF"
    };
    raw.execute_unprepared(without_triggers).await.unwrap();
    raw.execute_unprepared("UPDATE audit_entries SET actor = 'bea' WHERE target_id = '1'").await.unwrap();
    raw.execute_unprepared("DELETE FROM audit_entries WHERE target_id = '2'").await.unwrap();
    raw.execute_unprepared("DELETE FROM audit_unsealed").await.unwrap();
    raw.close().await.unwrap();
    let flaws = vec![Flaw::EntryChanged { seq: 2, entry_id: ids[1] }, Flaw::EntryMissing { seq: 3, entry_id: ids[2] }];
    assert_eq!(verified(&db).await, (flaws, 4));
    let unsealed =
        async |before| -> Vec<_> { audit_list_unsealed(&db, before, 10).await.unwrap().into_iter().map(|entry| entry.id).collect() };
    assert_eq!((unsealed(at(9)).await, unsealed(at(10)).await), (vec![], vec![ids[4]]));
}
