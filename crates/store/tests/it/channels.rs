use domain::{
    ids::ChannelId,
    notification::{
        ChannelKind,
        channel::{Channel, Draft, Sealed, Weekday},
    },
    schedule::words::Language,
};
use serde_json::json;
use store::{
    Error,
    audit::audit_list,
    channels::{
        Filter, channel_delete_in_txn, channel_disable, channel_get, channel_insert_in_txn, channel_list, channel_lock_in_txn,
        channel_update_in_txn,
    },
};
use uuid::Uuid;

use crate::{
    case::Case,
    fixtures::{at, commit, id_at},
};

both!(
    a_channel_is_what_was_written_and_each_change_counts,
    channels_are_listed_by_kind_state_and_name,
    a_channel_is_switched_off_once_and_the_trail_says_why,
    no_two_channels_have_one_name,
);

fn channel(nth: u32, kind: &str, settings: serde_json::Value) -> Channel {
    let draft = Draft {
        name: format!("channel {nth}"),
        settings: serde_json::from_value(json!({"kind": kind, "settings": settings})).unwrap(),
        language: Language::En,
        routing: serde_json::from_value(
            json!({"min_severity": "error", "types": ["LATE"], "domains": [Uuid::from_u128(4)], "labels": ["a"]}),
        )
        .unwrap(),
        quiet_hours: Some(
            serde_json::from_value(json!({"timezone": "America/Sao_Paulo", "from": "22:00", "until": "07:00:30", "days": ["monday"]}))
                .unwrap(),
        ),
        group_wait_s: 30,
        templates: [("opened.title".to_owned(), "{{title}}".to_owned())].into(),
    };
    Channel {
        id: id_at(1, nth),
        draft,
        enabled: true,
        disabled_reason: None,
        sealed: Sealed { id: Some(Uuid::from_u128(nth.into())), names: vec!["url".to_owned()], old_until: Some(at(9)) },
        revision: 1,
        created_at: at(1),
        created_by: "ana".to_owned(),
        updated_at: at(1),
        updated_by: "ana".to_owned(),
    }
}

async fn add(db: &Case, channel: &Channel) {
    commit(db, async |txn| channel_insert_in_txn(txn, &test_support::change(), channel).await).await.unwrap();
}

async fn trail(db: &Case) -> Vec<(String, String)> {
    let found = audit_list(db, &store::audit::Filter::default(), None, 100).await.unwrap();
    let about = found.into_iter().map(|(entry, _)| entry).filter(|entry| entry.target_kind == "channel");
    about.map(|entry| (entry.action.clone(), format!("{entry:?}"))).collect()
}

async fn a_channel_is_what_was_written_and_each_change_counts(db: Case) {
    let before = channel(1, "webhook", json!({"url": "https://example.com/hooks"}));
    add(&db, &before).await;
    assert_eq!(channel_get(&db, before.id).await.unwrap().as_ref(), Some(&before));
    assert_eq!(before.draft.quiet_hours.as_ref().unwrap().days, [Weekday::Monday]);
    let mut after = Channel { sealed: Sealed::default(), updated_at: at(5), updated_by: "bia".to_owned(), ..before.clone() };
    (after.draft.quiet_hours, after.draft.name) = (None, "other".to_owned());
    let change = test_support::change();
    commit(&db, async |txn| {
        let locked = channel_lock_in_txn(txn, before.id).await?.unwrap();
        channel_update_in_txn(txn, (&change, "channel.update"), (&locked, &after)).await
    })
    .await
    .unwrap();
    let stored = channel_get(&db, before.id).await.unwrap().unwrap();
    assert_eq!(stored, Channel { revision: 2, ..after });
    commit(&db, async |txn| channel_delete_in_txn(txn, &change, &stored, at(6)).await).await.unwrap();
    assert_eq!(channel_get(&db, before.id).await.unwrap(), None);
    let actions: Vec<_> = trail(&db).await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(actions, ["channel.delete", "channel.update", "channel.create"]);
}

async fn channels_are_listed_by_kind_state_and_name(db: Case) {
    let (one, two) = (channel(1, "slack", json!({})), channel(2, "telegram", json!({"chat_id": "12"})));
    let two = Channel { enabled: false, ..two };
    add(&db, &two).await;
    add(&db, &one).await;
    let ids = async |filter: Filter| {
        channel_list(&db, &Filter { limit: filter.limit.max(1), ..filter }).await.unwrap().iter().map(|found| found.id).collect::<Vec<_>>()
    };
    let all = Filter { limit: 10, ..Filter::default() };
    for (filter, expected) in [
        (all.clone(), vec![one.id, two.id]),
        (Filter { limit: 1, ..all.clone() }, vec![one.id]),
        (Filter { after: Some(one.id), ..all.clone() }, vec![two.id]),
        (Filter { kind: Some(ChannelKind::Slack), ..all.clone() }, vec![one.id]),
        (Filter { enabled: Some(false), ..all.clone() }, vec![two.id]),
        (Filter { name: Some("channel 2".to_owned()), ..all.clone() }, vec![two.id]),
        (Filter { name: Some("channel".to_owned()), ..all }, vec![]),
    ] {
        assert_eq!(ids(filter.clone()).await, expected, "{filter:?}");
    }
    assert_eq!(channel_get(&db, ChannelId::default()).await.unwrap(), None);
}

async fn a_channel_is_switched_off_once_and_the_trail_says_why(db: Case) {
    let one = channel(1, "slack", json!({}));
    add(&db, &one).await;
    let change = test_support::change();
    let off = async || channel_disable(&db, &change, (one.id, "the receiver answered 410"), at(7)).await.unwrap();
    assert_eq!((off().await, off().await), (true, false));
    let stored = channel_get(&db, one.id).await.unwrap().unwrap();
    assert_eq!((stored.enabled, stored.disabled_reason.as_deref(), stored.revision), (false, Some("the receiver answered 410"), 2));
    let trail = trail(&db).await;
    assert!(trail.len() == 2 && trail[0].0 == "channel.disable" && trail[0].1.contains("answered 410"), "{trail:?}");
    assert!(!channel_disable(&db, &change, (ChannelId::default(), ""), at(8)).await.unwrap());
}

async fn no_two_channels_have_one_name(db: Case) {
    add(&db, &channel(1, "slack", json!({}))).await;
    let mut same = channel(2, "slack", json!({}));
    same.draft.name = "channel 1".to_owned();
    let again = commit(&db, async |txn| channel_insert_in_txn(txn, &test_support::change(), &same).await).await;
    assert!(matches!(again, Err(Error::Duplicate(_))), "{again:?}");
}
