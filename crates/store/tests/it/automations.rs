use domain::{
    Scope,
    automation::{EntrypointType, QueueProfile},
    ids::AutomationId,
    job::ErrorClass,
    policy::{ConcurrencyKey, OnWorkerLost, Overlap, Pause, Policy, RateLimit},
    retry::{Backoff, RetryPolicy},
};
use sea_orm::ConnectionTrait;
use serde_json::json;
use store::{
    Error,
    automations::{
        Draft, Filter, automation_archive, automation_get, automation_insert, automation_list, automation_list_changed_unscoped,
        automation_lock_limits_in_txn, automation_lock_rates_in_txn, automation_pause, automation_resume, automation_set_rate_in_txn,
        automation_update,
    },
    domains::domain_insert,
};

use crate::{
    case::Case,
    domains::finance,
    fixtures::{at, commit, draft, object},
};

both!(
    insert_round_trips_every_field,
    insert_refuses_a_name_in_use,
    name_is_free_again_after_the_archive,
    archive_happens_once,
    update_replaces_every_field,
    update_clears_optional_columns,
    update_refuses_a_name_in_use,
    update_of_nothing_is_none,
    json_numbers_stay_exact,
    list_omits_archived_automations,
    list_pages_by_id,
    a_text_is_found_in_names,
    lock_limits_returns_known_automations_by_id,
    a_row_without_policies_has_the_defaults,
    a_pause_lasts_until_its_end_or_somebody_resumes,
    an_edit_does_not_change_pause_and_rate,
    rates_are_kept_for_each_automation,
    every_change_is_found_once,
    a_reader_of_a_later_change_sees_every_earlier_one,
);

async fn every_change_is_found_once(db: Case) {
    let mut seen = -1;
    let mut changed = async || {
        let (changed, last) = automation_list_changed_unscoped(&db, seen).await.unwrap();
        seen = last;
        changed.into_iter().map(|automation| automation.id).collect::<Vec<_>>()
    };
    assert_eq!(changed().await, Vec::<AutomationId>::new());
    let a = automation_insert(&db, &Scope::All, &test_support::change(), &draft("a"), at(0)).await.unwrap().id;
    let b = automation_insert(&db, &Scope::All, &test_support::change(), &draft("b"), at(0)).await.unwrap().id;
    assert_eq!(changed().await, [a, b]);
    assert_eq!(changed().await, Vec::<AutomationId>::new(), "what did not change is not read again");
    // No clock says so: all of it has one time.
    automation_update(&db, (&Scope::All, &test_support::change()), a, &Draft { max_concurrency: Some(3), ..draft("a") }, at(0))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(changed().await, [a]);
    let pause = Pause { at: at(0), until: None, reason: None, by: "maria".into() };
    assert!(automation_pause(&db, &test_support::change(), b, &pause, at(0)).await.unwrap());
    assert_eq!(changed().await, [b]);
    assert!(automation_resume(&db, &test_support::change(), b, at(1)).await.unwrap());
    assert_eq!(changed().await, [b]);
    assert!(automation_archive(&db, &test_support::change(), b, at(1)).await.unwrap());
    assert_eq!(changed().await, [b]);
    commit(&db, async |txn| automation_set_rate_in_txn(txn, a, at(5)).await).await.unwrap();
    assert_eq!(changed().await, Vec::<AutomationId>::new(), "each start moves the rate, which nobody caches");
}

/// Changes that are committed at the same time are counted in the order of their commits.
async fn a_reader_of_a_later_change_sees_every_earlier_one(db: Case) {
    let names: Vec<String> = (0..20).map(|nth| format!("a{nth}")).collect();
    let drafts: Vec<Draft> = names.iter().map(|name| draft(name)).collect();
    let change = test_support::change();
    let inserts = futures_util::future::join_all(drafts.iter().map(|draft| automation_insert(&db, &Scope::All, &change, draft, at(0))));
    let reader = async {
        let (mut seen, mut found) = (-1, Vec::new());
        while found.len() < drafts.len() {
            let (changed, last) = automation_list_changed_unscoped(&db, seen).await.unwrap();
            found.extend(changed.into_iter().map(|automation| automation.draft.name));
            seen = last;
        }
        found
    };
    let (inserted, mut found) = tokio::join!(inserts, tokio::time::timeout(std::time::Duration::from_secs(30), reader));
    assert!(inserted.iter().all(Result::is_ok));
    let found = found.as_mut().unwrap();
    found.sort();
    let mut names = names;
    names.sort();
    assert_eq!(*found, names);
}

/// Everything set.
fn full_policy() -> Policy {
    Policy {
        queue_timeout_s: Some(2_592_000),
        cancel_grace_s: Some(0),
        concurrency_key: Some(ConcurrencyKey::parse("sefaz-ção:{empresa.cnpj}{{x}}").unwrap()),
        concurrency_key_limit: 10_000,
        rate_limit: Some(RateLimit { max: 7, per_s: 0.1 }),
        overlap: Overlap::Coalesce,
        on_worker_lost: Some(OnWorkerLost::Fail),
        requires: vec!["sap".into(), "windows".into()],
        display: true,
        cpu_limit: Some(0.1),
        memory_limit_bytes: Some(1 << 53),
    }
}

async fn insert_round_trips_every_field(db: Case) {
    let expected = Draft {
        queue_profile: Some(QueueProfile::Maestro),
        entrypoint_type: EntrypointType::Shell,
        description: "Émite notas — 日本語 🤖\nsecond line".into(),
        parameter_schema: Some(json!({"type": "object", "properties": {"mês": {"type": "integer"}}})),
        default_params: object(json!({"": null, "nested": {"list": [1, "two", [], {}]}})),
        retry_policy: RetryPolicy {
            max_attempts: 3,
            backoff: Backoff::Fixed,
            on: vec![ErrorClass::WorkerLost],
            jitter: 0.1,
            ..RetryPolicy::default()
        },
        policy: full_policy(),
        ..draft("emissão")
    };
    let inserted = automation_insert(&db, &Scope::All, &test_support::change(), &expected, at(1)).await.unwrap();
    assert_eq!(inserted.draft, expected);
    assert_eq!(inserted.pause, None);
    assert_eq!((inserted.archived_at, inserted.created_at, inserted.updated_at), (None, at(1), at(1)));
    assert_eq!(automation_get(&db, &Scope::All, inserted.id).await.unwrap().as_ref(), Some(&inserted));
    assert_eq!(listed(&db, &named("emissão")).await, [inserted.id]);
    assert_eq!(listed(&db, &named("Emissão")).await, []);
}

async fn insert_refuses_a_name_in_use(db: Case) {
    automation_insert(&db, &Scope::All, &test_support::change(), &draft("a"), at(1)).await.unwrap();
    assert!(matches!(automation_insert(&db, &Scope::All, &test_support::change(), &draft("a"), at(2)).await, Err(Error::Duplicate(_))));
    assert_eq!(db.rows("automations").await, 1);
}

async fn name_is_free_again_after_the_archive(db: Case) {
    let old = automation_insert(&db, &Scope::All, &test_support::change(), &draft("a"), at(1)).await.unwrap();
    assert!(automation_archive(&db, &test_support::change(), old.id, at(2)).await.unwrap());
    assert_eq!(listed(&db, &named("a")).await, []);
    let new = automation_insert(&db, &Scope::All, &test_support::change(), &draft("a"), at(3)).await.unwrap();
    assert!(new.id > old.id);
    assert_eq!(listed(&db, &named("a")).await, [new.id]);
    assert_eq!(listed(&db, &Filter { archived: true, ..named("a") }).await, [old.id, new.id]);
    assert!(automation_archive(&db, &test_support::change(), new.id, at(4)).await.unwrap(), "any number of archived ones may share a name");
}

async fn archive_happens_once(db: Case) {
    let id = automation_insert(&db, &Scope::All, &test_support::change(), &draft("a"), at(1)).await.unwrap().id;
    assert!(automation_archive(&db, &test_support::change(), id, at(2)).await.unwrap());
    assert!(!automation_archive(&db, &test_support::change(), id, at(3)).await.unwrap());
    assert!(!automation_archive(&db, &test_support::change(), (id.get() + 1).into(), at(3)).await.unwrap());
    let archived = automation_get(&db, &Scope::All, id).await.unwrap().unwrap();
    assert_eq!((archived.archived_at, archived.updated_at), (Some(at(2)), at(2)));
}

async fn update_replaces_every_field(db: Case) {
    domain_insert(&db, &test_support::change(), &finance(9)).await.unwrap();
    let first = automation_insert(&db, &Scope::All, &test_support::change(), &draft("a"), at(1)).await.unwrap();
    let other = automation_insert(&db, &Scope::All, &test_support::change(), &draft("other"), at(1)).await.unwrap();
    let expected = Draft {
        name: "b".into(),
        description: String::new(),
        queue_name: "other queue".into(),
        queue_profile: None,
        entrypoint_type: EntrypointType::Exe,
        script_path: "b.exe".into(),
        parameter_schema: Some(json!({"required": ["x"]})),
        default_params: object(json!({})),
        timeout_s: Some(i64::MAX),
        max_concurrency: Some(0),
        manual_minutes: Some(30),
        priority: 9,
        retry_policy: RetryPolicy { max_attempts: 7, ..RetryPolicy::default() },
        policy: full_policy(),
        domain_id: Some(finance(9).id),
        labels: vec!["nfe".into(), "sp_1".into()],
        updated_by: Some("bia".into()),
    };
    let updated = automation_update(&db, (&Scope::All, &test_support::change()), first.id, &expected, at(2)).await.unwrap().unwrap();
    assert_eq!(updated.draft, expected);
    assert_eq!((updated.id, updated.created_at, updated.updated_at), (first.id, at(1), at(2)));
    assert_eq!(automation_get(&db, &Scope::All, other.id).await.unwrap(), Some(other));
}

async fn update_clears_optional_columns(db: Case) {
    let id = automation_insert(&db, &Scope::All, &test_support::change(), &draft("a"), at(1)).await.unwrap().id;
    let full = Draft { policy: full_policy(), ..draft("a") };
    automation_update(&db, (&Scope::All, &test_support::change()), id, &full, at(2)).await.unwrap();
    let bare = Draft { parameter_schema: None, timeout_s: None, max_concurrency: None, manual_minutes: None, ..draft("a") };
    let updated = automation_update(&db, (&Scope::All, &test_support::change()), id, &bare, at(2)).await.unwrap().unwrap();
    assert_eq!(updated.draft, bare);
}

async fn update_refuses_a_name_in_use(db: Case) {
    automation_insert(&db, &Scope::All, &test_support::change(), &draft("a"), at(1)).await.unwrap();
    let b = automation_insert(&db, &Scope::All, &test_support::change(), &draft("b"), at(1)).await.unwrap();
    assert!(matches!(
        automation_update(&db, (&Scope::All, &test_support::change()), b.id, &draft("a"), at(2)).await,
        Err(Error::Duplicate(_))
    ));
    assert_eq!(automation_get(&db, &Scope::All, b.id).await.unwrap(), Some(b));
}

async fn update_of_nothing_is_none(db: Case) {
    assert_eq!(automation_update(&db, (&Scope::All, &test_support::change()), 1.into(), &draft("a"), at(1)).await.unwrap(), None);
    assert_eq!(automation_get(&db, &Scope::All, 1.into()).await.unwrap(), None);
}

async fn json_numbers_stay_exact(db: Case) {
    let numbers = json!({
        "beyond doubles": [9_007_199_254_740_993_i64, i64::MAX, i64::MIN, u64::MAX],
        "decimals": [0.1, 1234.56, -0.000_001, 99_999_999_999_999.99, 1.7976931348623157e308, 5e-324, 2.225_073_858_507_201e-308],
        "whole decimals": [1.0, -3.0],
    });
    let expected = Draft { default_params: object(numbers.clone()), parameter_schema: Some(numbers), ..draft("a") };
    let id = automation_insert(&db, &Scope::All, &test_support::change(), &expected, at(1)).await.unwrap().id;
    let read = automation_get(&db, &Scope::All, id).await.unwrap().unwrap().draft;
    assert_eq!(read, expected);
    assert_eq!(serde_json::to_string(&read.default_params).unwrap(), serde_json::to_string(&expected.default_params).unwrap());
}

async fn list_omits_archived_automations(db: Case) {
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(automation_insert(&db, &Scope::All, &test_support::change(), &draft(name), at(1)).await.unwrap().id);
    }
    automation_archive(&db, &test_support::change(), ids[1], at(2)).await.unwrap();
    assert_eq!(listed(&db, &Filter::default()).await, [ids[0], ids[2]]);
    assert_eq!(listed(&db, &Filter { archived: true, ..Filter::default() }).await, ids);
}

async fn list_pages_by_id(db: Case) {
    let mut ids = Vec::new();
    for nth in 0..7 {
        ids.push(automation_insert(&db, &Scope::All, &test_support::change(), &draft(&format!("a{nth}")), at(1)).await.unwrap().id);
    }
    let mut seen = Vec::new();
    loop {
        let page = listed(&db, &Filter { limit: 3, after: seen.last().copied(), ..Filter::default() }).await;
        assert!(page.len() <= 3);
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen, ids);
}

async fn a_text_is_found_in_names(db: Case) {
    let names = ["Emissão de notas", "EMISSÃO SAP", "100%_done", "1000 done", "a\\b"];
    let mut ids = Vec::new();
    for name in names {
        ids.push(automation_insert(&db, &Scope::All, &test_support::change(), &draft(name), at(1)).await.unwrap().id);
    }
    for (text, found) in [
        ("NOTAS", &ids[..1]),
        ("emiss", &ids[..2]),
        ("emissão de", &ids[..1]),
        ("EMISSÃO SAP", &ids[1..2]),
        ("0%_d", &ids[2..3]),
        ("done", &ids[2..4]),
        ("a\\b", &ids[4..]),
        ("'", &[]),
    ] {
        assert_eq!(listed(&db, &Filter { search: Some(text.to_owned()), ..Filter::default() }).await, found, "{text}");
    }
    let both = Filter { search: Some("done".to_owned()), ..named("1000 done") };
    assert_eq!(listed(&db, &both).await, ids[3..4]);
    let page = Filter { search: Some("done".to_owned()), limit: 1, after: Some(ids[2]), ..Filter::default() };
    assert_eq!(listed(&db, &page).await, ids[3..4]);
}

fn named(name: &str) -> Filter {
    Filter { name: Some(name.to_owned()), ..Filter::default() }
}

async fn listed(db: &Case, filter: &Filter) -> Vec<AutomationId> {
    automation_list(db, &Scope::All, filter).await.unwrap().into_iter().map(|automation| automation.id).collect()
}

async fn lock_limits_returns_known_automations_by_id(db: Case) {
    let limited = automation_insert(&db, &Scope::All, &test_support::change(), &draft("limited"), at(1)).await.unwrap().id;
    let free = automation_insert(&db, &Scope::All, &test_support::change(), &Draft { max_concurrency: None, ..draft("free") }, at(1))
        .await
        .unwrap()
        .id;
    let limits =
        commit(&db, async |txn| automation_lock_limits_in_txn(txn, &[free, limited, (free.get() + 1).into()]).await).await.unwrap();
    assert_eq!(limits, [(limited, Some(2)), (free, None)]);
    assert_eq!(commit(&db, async |txn| automation_lock_limits_in_txn(txn, &[]).await).await.unwrap(), []);
}

async fn a_row_without_policies_has_the_defaults(db: Case) {
    let id = automation_insert(&db, &Scope::All, &test_support::change(), &draft("a"), at(1)).await.unwrap().id;
    let raw = db.raw().await;
    let old = "INSERT INTO automations (name, description, queue_name, queue_profile, entrypoint_type, script_path, default_params, \
         priority, retry_policy, created_at, updated_at) SELECT 'old', description, queue_name, queue_profile, entrypoint_type, \
         script_path, default_params, priority, retry_policy, created_at, updated_at FROM automations";
    raw.execute_unprepared(old).await.unwrap();
    raw.close().await.unwrap();
    let read = automation_list(&db, &Scope::All, &named("old")).await.unwrap().remove(0);
    assert_eq!((read.draft.policy, read.pause), (Policy::default(), None));
    assert_eq!(read.draft.queue_profile, None, "nobody said that this hub is to declare it");
    assert!(read.id > id);
}

fn pause(until: Option<i64>) -> Pause {
    Pause { at: at(10), until: until.map(at), reason: Some("manutenção".into()), by: "maria".into() }
}

async fn a_pause_lasts_until_its_end_or_somebody_resumes(db: Case) {
    let id = automation_insert(&db, &Scope::All, &test_support::change(), &draft("a"), at(1)).await.unwrap().id;
    let other = automation_insert(&db, &Scope::All, &test_support::change(), &draft("b"), at(1)).await.unwrap();
    assert!(!automation_resume(&db, &test_support::change(), id, at(10)).await.unwrap(), "it was never paused");
    assert!(automation_pause(&db, &test_support::change(), id, &pause(None), at(0)).await.unwrap());
    let paused = automation_get(&db, &Scope::All, id).await.unwrap().unwrap();
    assert_eq!(paused.pause, Some(pause(None)));
    assert!(paused.is_paused(at(11)));
    assert_eq!(paused.updated_at, at(1), "a pause is no edit");

    assert!(automation_pause(&db, &test_support::change(), id, &pause(Some(20)), at(0)).await.unwrap(), "another takes its place");
    let limited = automation_get(&db, &Scope::All, id).await.unwrap().unwrap();
    assert_eq!((limited.is_paused(at(19)), limited.is_paused(at(20))), (true, false));
    assert!(!automation_resume(&db, &test_support::change(), id, at(20)).await.unwrap(), "it ended by itself");
    assert!(automation_resume(&db, &test_support::change(), id, at(19)).await.unwrap());
    let resumed = automation_get(&db, &Scope::All, id).await.unwrap().unwrap();
    assert_eq!((resumed.pause, resumed.updated_at, resumed.draft.updated_by.as_deref()), (None, at(19), Some("ana")));
    assert!(!automation_resume(&db, &test_support::change(), id, at(19)).await.unwrap(), "resumed once");

    assert_eq!(automation_get(&db, &Scope::All, other.id).await.unwrap().unwrap(), other);
    assert!(!automation_pause(&db, &test_support::change(), (other.id.get() + 1).into(), &pause(None), at(0)).await.unwrap());
    automation_archive(&db, &test_support::change(), id, at(30)).await.unwrap();
    assert!(!automation_pause(&db, &test_support::change(), id, &pause(None), at(0)).await.unwrap(), "an archived one runs no more anyway");
}

async fn an_edit_does_not_change_pause_and_rate(db: Case) {
    let id = automation_insert(&db, &Scope::All, &test_support::change(), &draft("a"), at(1)).await.unwrap().id;
    automation_pause(&db, &test_support::change(), id, &pause(None), at(0)).await.unwrap();
    commit(&db, async |txn| automation_set_rate_in_txn(txn, id, at(5)).await).await.unwrap();
    let edited = automation_update(&db, (&Scope::All, &test_support::change()), id, &Draft { priority: 1, ..draft("a") }, at(2))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(edited.pause, Some(pause(None)));
    assert_eq!(commit(&db, async |txn| automation_lock_rates_in_txn(txn, &[id]).await).await.unwrap(), [(id, Some(at(5)))]);
}

async fn rates_are_kept_for_each_automation(db: Case) {
    let a = automation_insert(&db, &Scope::All, &test_support::change(), &draft("a"), at(1)).await.unwrap().id;
    let b = automation_insert(&db, &Scope::All, &test_support::change(), &draft("b"), at(1)).await.unwrap().id;
    let rates = async || commit(&db, async |txn| automation_lock_rates_in_txn(txn, &[b, a, (b.get() + 1).into()]).await).await.unwrap();
    assert_eq!(rates().await, [(a, None), (b, None)]);
    commit(&db, async |txn| automation_set_rate_in_txn(txn, b, at(7)).await).await.unwrap();
    assert_eq!(rates().await, [(a, None), (b, Some(at(7)))]);
    commit(&db, async |txn| automation_set_rate_in_txn(txn, b, at(9)).await).await.unwrap();
    assert_eq!(rates().await, [(a, None), (b, Some(at(9)))]);
}
