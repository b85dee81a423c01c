use chrono::{DateTime, Utc};
use domain::{
    Scope,
    ids::AutomationId,
    job::{Origin, Request, Trigger},
    policy::{Overrides, Pause, PauseScope},
};
use store::{Database, Settings, automations};

use super::Catalog;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600 + second, 0).unwrap()
}

fn pause(until: Option<i64>) -> Pause {
    Pause { at: at(0), until: until.map(at), reason: None, by: "maria".into() }
}

/// A database in memory: one connection, which never ends.
async fn database() -> Database {
    let database = Database::connect(&Settings { max_connections: 1, ..Settings::new("sqlite::memory:") }).await.unwrap();
    database.migrate().await.unwrap();
    database
}

async fn automation(database: &Database, name: &str) -> AutomationId {
    let draft = automations::Draft { name: name.into(), queue_name: "nfe".into(), ..automations::Draft::default() };
    automations::automation_insert(database, &Scope::All, &test_support::change(), &draft, at(0)).await.unwrap().id
}

#[tokio::test]
async fn pauses_of_another_replica_are_seen_with_the_next_refresh() {
    let database = database().await;
    let (a, b) = (automation(&database, "a").await, automation(&database, "b").await);
    let catalog = Catalog::new(database.clone());
    catalog.refresh().await.unwrap();
    assert_eq!((catalog.cached().pause_of(a, "nfe", at(1)), catalog.cached().paused_automations(at(1))), (None, vec![]));

    automations::automation_pause(&database, &test_support::change(), a, &pause(Some(60)), at(0)).await.unwrap();
    store::queues::queue_pause(&database, &test_support::change(), "nfe", &pause(Some(30)), at(0)).await.unwrap();
    catalog.refresh().await.unwrap();
    let scope = |id, second| catalog.cached().pause_of(id, "nfe", at(second)).map(|(scope, _)| scope);
    assert_eq!((scope(a, 29), scope(b, 29)), (Some(PauseScope::Queue), Some(PauseScope::Queue)), "the queue's comes first");
    assert_eq!((scope(a, 30), scope(b, 30)), (Some(PauseScope::Automation), None));
    assert_eq!(scope(a, 60), None, "both ended by themselves");
    assert_eq!(catalog.cached().pause_of(b, "other", at(1)), None, "of this queue only");
    assert_eq!((catalog.cached().paused_automations(at(59)), catalog.cached().paused_automations(at(60))), (vec![a], vec![]));

    store::queues::queue_resume(&database, &test_support::change(), "nfe", at(1)).await.unwrap();
    automations::automation_resume(&database, &test_support::change(), a, at(1)).await.unwrap();
    catalog.refresh().await.unwrap();
    assert_eq!((scope(a, 1), scope(b, 1)), (None, None));
}

#[tokio::test]
async fn pauses_of_this_replica_are_seen_at_once() {
    let database = database().await;
    let id = automation(&database, "a").await;
    let catalog = Catalog::new(database);
    catalog.put_queue_pause("nfe", Some(pause(None)));
    assert_eq!(catalog.cached().queue_pause("nfe", at(1_000_000)), Some(pause(None)));
    catalog.put_queue_pause("nfe", None);
    assert_eq!(catalog.cached().pause_of(id, "nfe", at(1)), None);
}

#[tokio::test]
async fn an_outdated_read_does_not_undo_a_pause() {
    let database = database().await;
    let id = automation(&database, "a").await;
    let catalog = Catalog::new(database.clone());
    let [first, second] = [catalog.read().await.unwrap(), catalog.read().await.unwrap()];
    catalog.put_queue_pause("nfe", Some(pause(None)));
    catalog.cache_all(first);
    assert_eq!(catalog.cached().queue_pause("nfe", at(1)), Some(pause(None)));

    automations::automation_pause(&database, &test_support::change(), id, &pause(None), at(0)).await.unwrap();
    catalog.put(automations::automation_get(&database, &Scope::All, id).await.unwrap().unwrap());
    catalog.cache_all(second);
    assert_eq!(catalog.cached().paused_automations(at(1)), vec![id]);

    automations::automation_resume(&database, &test_support::change(), id, at(1)).await.unwrap();
    catalog.refresh().await.unwrap();
    assert_eq!(catalog.cached().paused_automations(at(1)), Vec::<AutomationId>::new(), "what is read later counts again");
}

#[tokio::test]
async fn only_what_changed_is_read_again() {
    let database = database().await;
    let (a, b) = (automation(&database, "a").await, automation(&database, "b").await);
    let catalog = Catalog::new(database.clone());
    let read = async || {
        let reading = catalog.read().await.unwrap();
        let ids: Vec<AutomationId> = reading.automations.iter().map(|automation| automation.id).collect();
        catalog.cache_all(reading);
        ids
    };
    assert_eq!(read().await, [a, b]);
    assert_eq!(read().await, Vec::<AutomationId>::new());
    let draft = automations::Draft { max_concurrency: Some(1), ..catalog.cached().get(b).unwrap().automation.draft.clone() };
    automations::automation_update(&database, (&Scope::All, &test_support::change()), b, &draft, at(0)).await.unwrap();
    assert!(!catalog.cached().is_limited(b));
    assert_eq!(read().await, [b]);
    assert!(catalog.cached().is_limited(b));
    // What is not taken in, because this replica wrote meanwhile, is read again.
    automations::automation_archive(&database, &test_support::change(), a, at(0)).await.unwrap();
    let reading = catalog.read().await.unwrap();
    catalog.put_queue_pause("nfe", None);
    catalog.cache_all(reading);
    assert_eq!((read().await, read().await), (vec![a], vec![]));
}

#[tokio::test]
async fn what_is_refused_is_refused_by_what_another_replica_has_stored() {
    let database = database().await;
    let id = automation(&database, "a").await;
    let (catalog, other) = (Catalog::new(database.clone()), Catalog::new(database.clone()));
    let change = async |schema: serde_json::Value| {
        let draft = automations::Draft { parameter_schema: Some(schema), ..other.require(id).await.unwrap().automation.draft.clone() };
        automations::automation_update(&database, (&Scope::All, &test_support::change()), id, &draft, at(1)).await.unwrap().unwrap()
    };
    change(serde_json::json!({"required": ["old"]})).await;
    let entry = catalog.require(id).await.unwrap();
    let ask = |name: &str| Request {
        parameters: [(name.to_owned(), 1.into())].into_iter().collect(),
        overrides: Overrides::default(),
        trigger: Trigger::Api,
        version_id: None,
        environment: None,
        origin: Origin::default(),
    };
    assert!(catalog.accept(&entry, ask("new"), at(2)).await.is_err());
    change(serde_json::json!({"required": ["new"]})).await;
    assert!(catalog.accept(&entry, ask("new"), at(2)).await.is_ok(), "not by what is cached");
    let entry = catalog.require(id).await.unwrap();
    assert!(catalog.accept(&entry, ask("old"), at(2)).await.is_err(), "which is cached from then on");
}

#[tokio::test]
async fn a_profile_that_another_replica_has_changed_is_learned_once() {
    let database = database().await;
    let id = automation(&database, "a").await;
    let (catalog, other) = (Catalog::new(database.clone()), Catalog::new(database.clone()));
    assert_eq!((catalog.refresh().await.unwrap(), other.refresh().await.unwrap()), (vec![], vec![]), "all are read, none has changed");
    let queue_profile = Some(domain::automation::QueueProfile::Plain);
    let draft = automations::Draft { queue_profile, ..catalog.require(id).await.unwrap().automation.draft.clone() };
    let updated = automations::automation_update(&database, (&Scope::All, &test_support::change()), id, &draft, at(1)).await;
    catalog.put(updated.unwrap().unwrap());
    assert_eq!(catalog.refresh().await.unwrap(), Vec::<String>::new(), "a change of its own");
    assert_eq!((other.refresh().await.unwrap(), other.refresh().await.unwrap()), (vec!["nfe".to_owned()], vec![]));
}
