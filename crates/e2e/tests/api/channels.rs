//! Channels: who manages them, what never comes out of them, and what receivers get, also those that misbehave.

pub(crate) mod mail;
mod vendors;

use std::time::Duration;

use api_types::{AuditEntry, Channel, ChannelShown, ChannelTest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::notification::ChannelKind;
use e2e::{Answer, Delivery, World, on_both};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Receiver, Reply};

use crate::support::{calm, fields, with};

on_both!(
    a_channel_is_created_changed_and_deleted,
    secrets_never_come_out,
    secrets_are_not_sent_to_another_server,
    addresses_that_are_not_public_are_refused,
    what_a_channel_cannot_be_is_named_by_field,
    a_receiver_that_misbehaves_is_a_clear_fault_and_holds_up_no_other,
);

const CHANNELS: &str = "/api/v1/channels";

/// A hub that may send to this machine, and does not wait long.
async fn local(delivery: Delivery) -> World {
    with(delivery, |settings| {
        settings
            .change_section::<sla_monitor::Settings>(|sla| {
                sla.allow_private_addresses = vec!["127.0.0.0/8".parse().unwrap()];
                sla.send_timeout = Duration::from_secs(3);
            })
            .unwrap();
    })
    .await
}

async fn create(world: &World, body: &Value) -> ChannelShown {
    world.client.post(CHANNELS, body).await.expect(201).json()
}

async fn put(world: &World, channel: &Channel, body: &Value) -> Answer {
    world.client.send(world.client.request(Method::PUT, &format!("{CHANNELS}/{}", channel.id)).json(body)).await
}

async fn test(world: &World, channel: &Channel) -> ChannelTest {
    world.client.post(&format!("{CHANNELS}/{}/test", channel.id), &json!({})).await.expect(200).json()
}

fn slack(name: &str, url: &str) -> Value {
    json!({"name": name, "kind": "slack", "secrets": {"url": url}})
}

async fn a_channel_is_created_changed_and_deleted(delivery: Delivery) {
    let world = calm(delivery).await;
    let made = create(&world, &slack("Ops", "https://hooks.slack.com/services/T0/B0/x")).await;
    let channel = made.channel;
    assert_eq!(
        (channel.kind, channel.secrets.as_slice(), channel.group_wait_s, channel.revision),
        (ChannelKind::Slack, &["url".to_owned()][..], 1, 1)
    );
    assert_eq!((channel.language.as_str(), channel.enabled, made.signing_secret), ("pt-BR", true, None));
    assert_eq!(world.client.post(CHANNELS, &slack("Ops", "https://x.example.com")).await.problem(409).code, "name_taken");
    let quiet = json!({"timezone": "America/Sao_Paulo", "from": "22:00", "until": "07:00", "days": ["monday"]});
    let body = json!({"name": "Night", "quiet_hours": quiet, "routing": {"min_severity": "critical"}, "enabled": false, "language": "en"});
    let changed: Channel = put(&world, &channel, &body).await.expect(200).json();
    assert_eq!((json!(changed.quiet_hours), changed.revision, changed.enabled), (quiet, 2, false));
    assert_eq!(json!(changed.routing), json!({"min_severity": "critical", "types": [], "domains": [], "labels": [], "sources": []}));
    assert_eq!(put(&world, &channel, &json!({"revision": 1, "name": "Late"})).await.problem(409).code, "changed_meanwhile");
    let cleared: Channel = put(&world, &channel, &json!({"revision": 2, "quiet_hours": null})).await.expect(200).json();
    assert_eq!((cleared.quiet_hours, cleared.name.as_str(), cleared.secrets.len()), (None, "Night", 1));
    let listed: Vec<Channel> = world.client.get(&format!("{CHANNELS}?kind=slack&enabled=false")).await.expect(200).json();
    assert_eq!(listed.iter().map(|one| one.id).collect::<Vec<_>>(), [channel.id]);
    let path = format!("{CHANNELS}/{}", channel.id);
    let delete = async || world.client.send(world.client.request(Method::DELETE, &path)).await;
    let _gone = delete().await.expect(204);
    let _missing =
        (delete().await.problem(404), world.client.get(&path).await.problem(404), put(&world, &channel, &json!({})).await.problem(404));
    let trail: Vec<AuditEntry> = world.client.get("/api/v1/audit?target_kind=channel").await.expect(200).json();
    let actions: Vec<_> = trail.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["channel.delete", "channel.update", "channel.update", "channel.create"]);
    world.end().await;
}

async fn secrets_never_come_out(delivery: Delivery) {
    let world = local(delivery).await;
    let secret = "s3cret-s3cret-s3cret-s3cret";
    // It says back all that it was told.
    let echo = Receiver::start(|request| {
        // The end of a body, within what is kept of an answer.
        let end = String::from_utf8_lossy(&request.body).chars().rev().take(150).collect::<Vec<_>>().into_iter().rev().collect::<String>();
        Reply::new(400, format!("{} {} {end}", request.target, request.header("authorization")))
    });
    let echo = echo.await.unwrap().url();
    for (kind, settings, name, value) in [
        ("slack", json!({}), "url", format!("{echo}/services/{secret}")),
        ("teams", json!({}), "url", format!("{echo}/workflows/{secret}?sig={secret}")),
        ("pagerduty", json!({"url": echo}), "routing_key", secret.to_owned()),
        ("jira", json!({"url": echo, "email": "bot@example.com", "project": "OPS"}), "api_token", secret.to_owned()),
        ("telegram", json!({"url": echo, "chat_id": "12"}), "bot_token", format!("123:{secret}")),
    ] {
        let body = json!({"name": kind, "kind": kind, "settings": settings, "secrets": {name: value}});
        let channel = create(&world, &body).await.channel;
        let tried = test(&world, &channel).await;
        assert!(!tried.sent && tried.status == Some(400), "{kind}: {tried:?}");
        let shown = world.client.get(&format!("{CHANNELS}/{}", channel.id)).await.expect(200).text;
        let said = format!("{tried:?} {}", shown);
        let basic = STANDARD.encode(format!("bot@example.com:{secret}"));
        assert!(!said.contains(secret) && !said.contains(&basic) && tried.answer.contains("[secret]"), "{kind}: {said}");
        assert_eq!(channel.secrets, [name]);
    }
    let trail = world.client.get("/api/v1/audit?target_kind=channel").await.expect(200).text;
    assert!(!trail.contains(secret));
    world.end().await;
}

async fn secrets_are_not_sent_to_another_server(delivery: Delivery) {
    let world = calm(delivery).await;
    let settings = |url: &str| json!({"url": url, "email": "bot@example.com", "project": "OPS"});
    let body =
        json!({"name": "Jira", "kind": "jira", "settings": settings("https://a.atlassian.net"), "secrets": {"api_token": "token-1"}});
    let jira = create(&world, &body).await.channel;
    for url in ["https://evil.example.com", "https://a.atlassian.net:8443", "https://a.atlassian.net.evil.example.com"] {
        let refused = put(&world, &jira, &json!({"settings": settings(url)})).await.problem(422);
        assert_eq!(fields(&refused), ["secrets/api_token"], "{url}");
        let both = json!({"settings": settings(url), "secrets": {"api_token": null}});
        assert_eq!(fields(&put(&world, &jira, &both).await.problem(422)), ["secrets/api_token"]);
    }
    let _same = put(&world, &jira, &json!({"settings": settings("https://a.atlassian.net/")})).await.expect(200);
    let moved = json!({"settings": settings("https://b.atlassian.net"), "secrets": {"api_token": "token-2"}});
    let moved: Channel = put(&world, &jira, &moved).await.expect(200).json();
    assert_eq!((moved.settings["url"].as_str(), moved.secrets.len()), (Some("https://b.atlassian.net"), 1));
    let smtp = |host: &str, security: &str| json!({"host": host, "security": security, "username": "u", "from": "hub@example.com", "to": ["ops@example.com"]});
    let body = json!({"name": "Mail", "kind": "email", "settings": smtp("smtp.example.com", "tls"), "secrets": {"password": "pass-1"}});
    let mail = create(&world, &body).await.channel;
    for settings in [smtp("evil.example.com", "tls"), smtp("smtp.example.com", "starttls")] {
        assert_eq!(fields(&put(&world, &mail, &json!({"settings": settings})).await.problem(422)), ["secrets/password"]);
    }
    let mut other_recipient = smtp("SMTP.example.com", "tls");
    other_recipient["to"] = json!(["night@example.com"]);
    let _same_server = put(&world, &mail, &json!({"settings": other_recipient})).await.expect(200);
    world.end().await;
}

async fn addresses_that_are_not_public_are_refused(delivery: Delivery) {
    let world = calm(delivery).await;
    let webhook = |url: &str| json!({"name": "x", "kind": "webhook", "settings": {"url": url}});
    for url in [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0.0.0.0/",
        "https://10.0.0.1/",
        "https://100.64.0.1/",
        "https://[fd00::1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://localhost/",
        "http://hooks.example.com/",
        "https://user:password@hooks.example.com/",
        "file:///etc/passwd",
        "hooks.example.com",
    ] {
        assert_eq!(fields(&world.client.post(CHANNELS, &webhook(url)).await.problem(422)), ["settings/url"], "{url}");
    }
    let refused = world.client.post(CHANNELS, &slack("x", "https://10.0.0.1/services/s3cret")).await.problem(422);
    assert_eq!(fields(&refused), ["secrets/url"]);
    assert!(!format!("{refused:?}").contains("s3cret"), "{refused:?}");
    for (host, security) in
        [("127.0.0.1", "starttls"), ("localhost", "tls"), ("0x7f000001", "starttls"), ("::1", "tls"), ("smtp.example.com", "none")]
    {
        let settings = json!({"host": host, "security": security, "from": "hub@example.com", "to": ["ops@example.com"]});
        let body = json!({"name": "x", "kind": "email", "settings": settings});
        assert_eq!(fields(&world.client.post(CHANNELS, &body).await.problem(422)), ["settings/host"], "{host}");
    }
    // What a name leads to is known when something is sent.
    let channel = create(&world, &webhook("https://nowhere.invalid/s3cret")).await.channel;
    let tried = test(&world, &channel).await;
    assert!(!tried.sent && tried.answer.contains("nowhere.invalid") && !tried.answer.contains("s3cret"), "{tried:?}");
    world.end().await;
}

async fn what_a_channel_cannot_be_is_named_by_field(delivery: Delivery) {
    let world = calm(delivery).await;
    let email = |more: Value| {
        let mut settings = json!({"host": "smtp.example.com", "from": "hub@example.com", "to": ["ops@example.com"]});
        more.as_object().unwrap().iter().for_each(|(name, value)| settings[name] = value.clone());
        json!({"name": "x", "kind": "email", "settings": settings})
    };
    let with = |body: Value, more: Value| {
        let mut body = body;
        more.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
        body
    };
    for (body, expected) in [
        (email(json!({"port": 0})), "settings/port"),
        (email(json!({"port": "smtp"})), "settings/port"),
        (email(json!({"colour": "red"})), "settings/colour"),
        (email(json!({"from": "hub@example.com\r\nBcc: x@evil.test"})), "settings/from"),
        (email(json!({"from_name": "Hub\r\nBcc: x@evil.test"})), "settings/from_name"),
        (email(json!({"to": []})), "settings/to"),
        (email(json!({"username": "u"})), "secrets/password"),
        (with(email(json!({})), json!({"secrets": {"token": "x"}})), "secrets/token"),
        (with(email(json!({})), json!({"group_wait_s": 3601})), "group_wait_s"),
        (with(email(json!({})), json!({"routing": {"domains": [uuid::Uuid::nil()]}})), "routing/domains/0"),
        (
            with(email(json!({})), json!({"quiet_hours": {"timezone": "Mars/Base", "from": "22:00", "until": "07:00"}})),
            "quiet_hours/timezone",
        ),
        (with(email(json!({})), json!({"quiet_hours": {"timezone": "UTC", "from": "22:00", "until": "22:00"}})), "quiet_hours/until"),
        (json!({"name": "x", "kind": "slack"}), "secrets/url"),
        (json!({"name": "x", "kind": "webhook"}), "settings/url"),
        (
            json!({"name": "x", "kind": "webhook", "settings": {"url": "https://x.example.com"}, "secrets": {"signing_secret": "short"}}),
            "secrets/signing_secret",
        ),
        (
            json!({"name": "x", "kind": "telegram", "settings": {"chat_id": "12"}, "secrets": {"bot_token": "1:a/../../getMe"}}),
            "secrets/bot_token",
        ),
        (
            json!({"name": "x", "kind": "telegram", "settings": {"chat_id": "me"}, "secrets": {"bot_token": format!("1:{}", "a".repeat(35))}}),
            "settings/chat_id",
        ),
    ] {
        let answer = world.client.post(CHANNELS, &body).await;
        let problem = answer.problem(422);
        assert_eq!(fields(&problem), [expected], "{body}: {problem:?}");
    }
    for body in [
        json!({"name": "x", "kind": "fax"}),
        json!({"kind": "slack"}),
        json!({"name": "x", "kind": "slack", "routing": {"types": ["NEVER"]}}),
    ] {
        let status = world.client.post(CHANNELS, &body).await.status.as_u16();
        assert!(matches!(status, 400 | 422), "{status} {body}");
    }
    world.end().await;
}

async fn a_receiver_that_misbehaves_is_a_clear_fault_and_holds_up_no_other(delivery: Delivery) {
    let world = local(delivery).await;
    let inner = Receiver::start(|_| Reply::new(200, "ok")).await.unwrap();
    let elsewhere = vec![("location", format!("{}/s3cret", inner.url()))];
    let later = vec![("retry-after", "30".to_owned())];
    let replies = vec![
        ("redirect", Reply::Answer(302, elsewhere, String::new()), "302: redirects are not followed"),
        ("endless", Reply::Endless, ""),
        ("silent", Reply::Silence, "no answer within 3s"),
        ("closed", Reply::Close, "no answer"),
        ("broken", Reply::new(500, "oops\r\n\0"), "500: oops"),
        ("busy", Reply::Answer(429, later, "slow down".to_owned()), "429: slow down"),
        ("gone", Reply::new(410, ""), "410"),
    ];
    let mut channels = Vec::new();
    for (name, reply, expected) in replies {
        let receiver = Receiver::start(move |_| reply.clone()).await.unwrap();
        let body = json!({"name": name, "kind": "webhook", "settings": {"url": format!("{}/s3cret", receiver.url())}});
        channels.push((create(&world, &body).await.channel, expected, receiver));
    }
    let fine = Receiver::start(|_| Reply::new(202, "")).await.unwrap();
    let body = json!({"name": "fine", "kind": "webhook", "settings": {"url": fine.url()}});
    let fine_channel = create(&world, &body).await.channel;
    let tried = futures_util::future::join_all(channels.iter().map(|(channel, ..)| test(&world, channel)));
    let (tried, is_fine) = futures_util::join!(tried, test(&world, &fine_channel));
    assert!(is_fine.sent && is_fine.status == Some(202), "{is_fine:?}");
    for (tried, (channel, expected, _)) in tried.iter().zip(&channels) {
        assert_eq!(tried.sent, channel.name == "endless", "{}: {tried:?}", channel.name);
        assert!(tried.answer.contains(expected) && !tried.answer.contains("s3cret"), "{}: {tried:?}", channel.name);
        assert!(tried.answer.chars().count() <= 1000, "{tried:?}");
    }
    assert_eq!(inner.received().len(), 0, "nobody followed the redirect");
    world.end().await;
}
