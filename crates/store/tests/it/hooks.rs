use std::collections::BTreeMap;

use domain::{
    Scope,
    hook::{Outcome, Rules, Scheme, Signature},
    ids::{AutomationId, HookDeliveryId, HookId, JobId},
};
use serde_json::json;
use store::{
    Error,
    audit::audit_list,
    automations::automation_insert,
    hooks::{
        self, Delivery, Finish, Hook, Token, delivery_claim, delivery_finish, delivery_get_unscoped, delivery_insert,
        delivery_list_unscoped, hook_delete_in_txn, hook_find_unscoped, hook_get, hook_insert_in_txn, hook_list, hook_lock_in_txn,
        hook_update_in_txn, retention_hook_deliveries,
    },
};
use uuid::Uuid;

use crate::{
    case::Case,
    fixtures::{at, commit, draft, id_at, object},
};

both!(
    a_hook_is_what_was_written_and_the_trail_has_no_token,
    a_hook_is_found_by_its_token_and_by_the_one_before,
    hooks_are_those_of_the_automations_in_scope,
    a_deleted_hook_takes_its_deliveries_with_it,
    one_delivery_claims_a_key_and_the_others_see_it,
    many_at_once_claim_a_key_once,
    a_claim_that_is_given_up_is_free_again,
    deliveries_are_listed_newest_first_without_their_bodies,
    old_deliveries_go_and_new_ones_lose_their_bodies_beyond_a_number,
);

async fn automation(db: &Case, name: &str) -> AutomationId {
    automation_insert(db, &Scope::All, &test_support::change(), &draft(name), at(1)).await.unwrap().id
}

fn hook(automation_id: AutomationId, nth: u32) -> Hook {
    let rules = Rules {
        parameters: object(json!({"source": "github"})),
        mapping: serde_json::from_value(
            json!({"commit": {"pointer": "/after", "required": true}, "tag": {"header": "X-Tag", "default": 1.5}}),
        )
        .unwrap(),
        filter: serde_json::from_value(json!([{"pointer": "/ref", "operator": "in", "value": ["a", 1, null]}])).unwrap(),
        dedup: serde_json::from_value(json!({"pointers": ["/id"]})).unwrap(),
    };
    Hook {
        id: id_at(1, nth),
        automation_id,
        name: format!("hook {nth}"),
        token: Token { prefix: format!("rgh_{nth:08}"), digest: format!("digest-{nth}") },
        old_token: None,
        signature: Signature { scheme: Scheme::Github, ..Signature::default() },
        secret_id: Some(Uuid::from_u128(nth.into())),
        old_secret: None,
        rules,
        paused: None,
        created_at: at(1),
        created_by: "ana".to_owned(),
        updated_at: at(1),
        updated_by: "ana".to_owned(),
    }
}

async fn add(db: &Case, hook: &Hook) {
    commit(db, async |txn| hook_insert_in_txn(txn, &test_support::change(), hook).await).await.unwrap();
}

fn delivery(hook: &Hook, nth: u32, key: Option<&str>) -> Delivery {
    Delivery {
        id: id_at(i64::from(nth), nth),
        hook_id: hook.id,
        received_at: at(i64::from(nth)),
        outcome: Outcome::Pending,
        status: 0,
        reason: None,
        dedup_key: key.map(str::to_owned),
        parameters: Some(object(json!({"nth": nth, "text": "\u{0}é", "float": 1000.0}))),
        job_id: None,
        address: Some("192.0.2.1".to_owned()),
        request_id: Some("r".to_owned()),
        headers: BTreeMap::from([("x-tag".to_owned(), "v".to_owned())]),
        body: Some(b"{\"a\": \"\xff\0\"}".to_vec()),
        body_bytes: 11,
        redelivery_of: None,
    }
}

async fn one(db: &Case) -> Hook {
    let hook = hook(automation(db, "a").await, 1);
    add(db, &hook).await;
    hook
}

async fn list(db: &Case, hook: HookId) -> Vec<HookDeliveryId> {
    delivery_list_unscoped(db, hook, (None, None, 100)).await.unwrap().into_iter().map(|found| found.id).collect()
}

async fn a_hook_is_what_was_written_and_the_trail_has_no_token(db: Case) {
    let before = one(&db).await;
    assert_eq!(hook_get(&db, &Scope::All, before.id).await.unwrap().as_ref(), Some(&before));
    let after = Hook {
        name: "other".to_owned(),
        old_token: Some((before.token.digest.clone(), at(9))),
        token: Token { prefix: "rgh_22222222".to_owned(), digest: "digest-2".to_owned() },
        old_secret: Some((Uuid::from_u128(9), at(8))),
        paused: Some((at(5), "bia".to_owned())),
        rules: Rules::default(),
        updated_at: at(5),
        updated_by: "bia".to_owned(),
        ..before.clone()
    };
    let change = test_support::change();
    commit(&db, async |txn| {
        let locked = hook_lock_in_txn(txn, &Scope::All, before.id).await?.unwrap();
        hook_update_in_txn(txn, (&change, "hook.update"), (&locked, &after)).await
    })
    .await
    .unwrap();
    assert_eq!(hook_get(&db, &Scope::All, before.id).await.unwrap(), Some(after));
    let trail = audit_list(&db, &store::audit::Filter::default(), None, 100).await.unwrap();
    let about: Vec<_> = trail.iter().map(|(entry, _)| entry).filter(|entry| entry.target_kind == "hook").collect();
    assert_eq!(about.iter().map(|entry| entry.action.as_str()).collect::<Vec<_>>(), ["hook.update", "hook.create"]);
    let said = format!("{about:?}");
    assert!(said.contains("other") && said.contains("/after") && !said.contains("digest-") && !said.contains("rgh_2"), "{said}");
}

async fn a_hook_is_found_by_its_token_and_by_the_one_before(db: Case) {
    let plain = one(&db).await;
    let rotated = Hook { old_token: Some(("digest-old".to_owned(), at(9))), ..hook(plain.automation_id, 2) };
    add(&db, &rotated).await;
    for (digest, expected) in [("digest-1", Some(&plain)), ("digest-2", Some(&rotated)), ("digest-old", Some(&rotated)), ("digest-3", None)]
    {
        assert_eq!(hook_find_unscoped(&db, digest).await.unwrap().as_ref(), expected, "{digest}");
    }
    let same = Hook { id: id_at(1, 3), ..plain };
    let again = commit(&db, async |txn| hook_insert_in_txn(txn, &test_support::change(), &same).await).await;
    assert!(matches!(again, Err(Error::Duplicate(_))), "{again:?}");
}

async fn hooks_are_those_of_the_automations_in_scope(db: Case) {
    let (mine, yours) = (automation(&db, "mine").await, automation(&db, "yours").await);
    let (one, two) = (hook(mine, 1), hook(yours, 2));
    add(&db, &one).await;
    add(&db, &two).await;
    let ids = async |scope: &Scope, filter: hooks::Filter| {
        hook_list(&db, scope, &hooks::Filter { limit: 10, ..filter }).await.unwrap().into_iter().map(|hook| hook.id).collect::<Vec<_>>()
    };
    for (scope, expected) in [(Scope::All, vec![one.id, two.id]), (Scope::automations([mine]), vec![one.id]), (Scope::NOTHING, vec![])] {
        assert_eq!(ids(&scope, hooks::Filter::default()).await, expected, "{scope:?}");
        for id in [one.id, two.id] {
            assert_eq!(hook_get(&db, &scope, id).await.unwrap().is_some(), expected.contains(&id));
            let locked = commit(&db, async |txn| hook_lock_in_txn(txn, &scope, id).await).await.unwrap();
            assert_eq!(locked.is_some(), expected.contains(&id));
        }
    }
    assert_eq!(ids(&Scope::All, hooks::Filter { automation_id: Some(yours), ..Default::default() }).await, [two.id]);
    assert_eq!(ids(&Scope::All, hooks::Filter { after: Some(one.id), ..Default::default() }).await, [two.id]);
    let named = |name: &str| hooks::Filter { name: Some(name.to_owned()), ..Default::default() };
    assert!(ids(&Scope::All, named(&two.name)).await.contains(&two.id));
    assert_eq!(ids(&Scope::All, named("another")).await, []);
}

async fn a_deleted_hook_takes_its_deliveries_with_it(db: Case) {
    let hook = one(&db).await;
    delivery_insert(&db, &delivery(&hook, 1, None)).await.unwrap();
    commit(&db, async |txn| hook_delete_in_txn(txn, &test_support::change(), &hook, at(2)).await).await.unwrap();
    assert_eq!((hook_get(&db, &Scope::All, hook.id).await.unwrap(), db.rows("hook_deliveries").await), (None, 0));
}

async fn one_delivery_claims_a_key_and_the_others_see_it(db: Case) {
    let hook = one(&db).await;
    let (first, second) = (delivery(&hook, 1, Some("k")), delivery(&hook, 2, Some("k")));
    assert_eq!(delivery_claim(&db, &first).await.unwrap(), None);
    assert_eq!(delivery_get_unscoped(&db, hook.id, first.id).await.unwrap().as_ref(), Some(&first), "byte for byte");
    assert_eq!(delivery_claim(&db, &second).await.unwrap().as_ref(), Some(&first));
    let job: JobId = id_at(5, 5);
    let finish = Finish { outcome: Outcome::Accepted, status: 202, reason: None, job_id: Some(job), keeps_claim: true };
    delivery_finish(&db, first.id, &finish).await.unwrap();
    let seen = delivery_claim(&db, &second).await.unwrap().unwrap();
    assert_eq!((seen.job_id, seen.outcome, seen.status, list(&db, hook.id).await), (Some(job), Outcome::Accepted, 202, vec![first.id]));
    // Another key, no key, and the same key at another hook.
    for other in [delivery(&hook, 3, Some("l")), delivery(&hook, 4, None), delivery(&hook, 5, None)] {
        assert_eq!(delivery_claim(&db, &other).await.unwrap(), None);
    }
    let elsewhere = self::hook(hook.automation_id, 2);
    add(&db, &elsewhere).await;
    assert_eq!(delivery_claim(&db, &delivery(&elsewhere, 6, Some("k"))).await.unwrap(), None);
    assert_eq!(delivery_get_unscoped(&db, elsewhere.id, first.id).await.unwrap(), None, "it is the other hook's");
}

async fn many_at_once_claim_a_key_once(db: Case) {
    let hook = one(&db).await;
    let other_hub = db.other_hub().await;
    let tasks: Vec<_> = (0..16)
        .map(|nth| {
            let (database, delivery) =
                (if nth % 2 == 0 { db.database.clone() } else { other_hub.clone() }, delivery(&hook, nth, Some("k")));
            tokio::spawn(async move { delivery_claim(&database, &delivery).await.unwrap().map_or(delivery.id, |other| other.id) })
        })
        .collect();
    let mut winners = std::collections::BTreeSet::new();
    for task in tasks {
        winners.insert(task.await.unwrap());
    }
    assert_eq!((winners.len(), list(&db, hook.id).await.len()), (1, 1));
    other_hub.close().await.unwrap();
}

async fn a_claim_that_is_given_up_is_free_again(db: Case) {
    let hook = one(&db).await;
    let (first, second) = (delivery(&hook, 1, Some("k")), delivery(&hook, 2, Some("k")));
    delivery_claim(&db, &first).await.unwrap();
    let finish = Finish { outcome: Outcome::Refused, status: 422, reason: Some("why".to_owned()), job_id: None, keeps_claim: false };
    delivery_finish(&db, first.id, &finish).await.unwrap();
    assert_eq!(delivery_claim(&db, &second).await.unwrap(), None);
    let kept = delivery_get_unscoped(&db, hook.id, first.id).await.unwrap().unwrap();
    assert_eq!(
        (kept.outcome, kept.status, kept.reason.as_deref(), kept.dedup_key.as_deref()),
        (Outcome::Refused, 422, Some("why"), Some("k"))
    );
}

async fn deliveries_are_listed_newest_first_without_their_bodies(db: Case) {
    let hook = one(&db).await;
    for nth in 1..=3 {
        let outcome = if nth == 2 { Outcome::Filtered } else { Outcome::Accepted };
        delivery_insert(&db, &Delivery { outcome, ..delivery(&hook, nth, Some("k")) }).await.unwrap();
    }
    let ids: [HookDeliveryId; 3] = [1, 2, 3].map(|nth| delivery(&hook, nth, None).id);
    let listed = delivery_list_unscoped(&db, hook.id, (None, None, 2)).await.unwrap();
    assert_eq!(listed.iter().map(|found| (found.id, found.body.clone())).collect::<Vec<_>>(), [(ids[2], None), (ids[1], None)]);
    assert_eq!(listed[0].headers["x-tag"], "v");
    let behind = delivery_list_unscoped(&db, hook.id, (None, Some(ids[1]), 2)).await.unwrap();
    assert_eq!(behind.iter().map(|found| found.id).collect::<Vec<_>>(), [ids[0]]);
    let filtered = delivery_list_unscoped(&db, hook.id, (Some(Outcome::Filtered), None, 9)).await.unwrap();
    assert_eq!(filtered.iter().map(|found| found.id).collect::<Vec<_>>(), [ids[1]]);
}

async fn old_deliveries_go_and_new_ones_lose_their_bodies_beyond_a_number(db: Case) {
    let hook = one(&db).await;
    let other = self::hook(hook.automation_id, 2);
    add(&db, &other).await;
    for nth in 1..=6 {
        let outcome = if nth == 3 { Outcome::Pending } else { Outcome::Accepted };
        delivery_insert(&db, &Delivery { outcome, ..delivery(&hook, nth, None) }).await.unwrap();
    }
    delivery_insert(&db, &delivery(&other, 7, None)).await.unwrap();
    for (limit, expected) in [(1, (1, 1)), (10, (1, 1)), (10, (0, 0))] {
        assert_eq!(retention_hook_deliveries(&db, at(3), (2, limit)).await.unwrap(), expected, "{limit}");
    }
    assert_eq!(list(&db, hook.id).await.len(), 4);
    let has_body = async |of: &Hook, nth: u32| {
        let kept = delivery_get_unscoped(&db, of.id, delivery(of, nth, None).id).await.unwrap().unwrap();
        assert_eq!(kept.body.is_some(), kept.parameters.is_some());
        kept.body.is_some()
    };
    // The third has no end yet, and may be asked for again.
    for (nth, expected) in [(3, true), (4, false), (5, true), (6, true)] {
        assert_eq!(has_body(&hook, nth).await, expected, "{nth}");
    }
    assert!(has_body(&other, 7).await);
}
