//! Each vendor's rules, checked by a receiver that refuses what they refuse.

use api_types::{Channel, ChannelShown};
use auth::verify_hook;
use chrono::Utc;
use domain::hook::{Scheme, Signature};
use e2e::{Delivery, World, on_both};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Received, Receiver, Reply};

use super::{CHANNELS, create, local, put, test};

on_both!(
    a_webhook_is_a_signed_cloud_event_and_its_secret_rotates,
    slack_takes_the_message,
    teams_takes_the_message_and_202_is_success,
    pagerduty_takes_the_event_and_nobody_is_called,
    telegram_takes_the_message_and_says_when_it_is_too_often,
);

fn verifies(request: &Received, secret: &str) -> bool {
    let signature = Signature { scheme: Scheme::StandardWebhooks, ..Signature::default() };
    let header = |name: &str| request.headers.get(name).map(String::as_str);
    verify_hook(&signature, &[secret.as_bytes().to_vec().into()], header, &request.body, Utc::now()).is_ok()
}

/// Attributes that CloudEvents 1.0 requires, in structured mode.
fn is_cloud_event(request: &Received) -> bool {
    let event = request.json();
    let texts = ["id", "source", "type"].iter().all(|name| event[name].as_str().is_some_and(|text| !text.is_empty()));
    let time = event["time"].as_str().is_some_and(|time| chrono::DateTime::parse_from_rfc3339(time).is_ok());
    texts
        && time
        && event["specversion"] == "1.0"
        && event["datacontenttype"] == "application/json"
        && event["data"].is_object()
        && request.header("content-type") == "application/cloudevents+json"
        && request.header("webhook-id") == event["id"].as_str().unwrap_or_default()
}

async fn rotate(world: &World, channel: &Channel, body: &Value) -> ChannelShown {
    world.client.post(&format!("{CHANNELS}/{}/rotate", channel.id), body).await.expect(200).json()
}

async fn a_webhook_is_a_signed_cloud_event_and_its_secret_rotates(delivery: Delivery) {
    let world = local(delivery).await;
    let receiver = Receiver::start(|request| Reply::new(if is_cloud_event(request) { 204 } else { 400 }, "")).await.unwrap();
    let body = json!({"name": "Events", "kind": "webhook", "settings": {"url": format!("{}/in?x=%2F", receiver.url())}});
    let ChannelShown { signing_secret, channel } = create(&world, &body).await;
    let first = signing_secret.unwrap();
    let sent = async || {
        let tried = test(&world, &channel).await;
        assert!(tried.sent, "{tried:?}");
        receiver.received().last().unwrap().clone()
    };
    let plain = sent().await;
    assert_eq!((plain.method.as_str(), plain.target.as_str(), plain.json()["type"].as_str()), ("POST", "/in?x=%2F", Some("regente.test")));
    assert!(verifies(&plain, &first) && !plain.header("webhook-signature").contains(' '));
    let rotated = rotate(&world, &channel, &json!({})).await;
    let second = rotated.signing_secret.unwrap();
    assert!(rotated.channel.old_secret_until.is_some() && first != second);
    let both = sent().await;
    assert!(verifies(&both, &first) && verifies(&both, &second));
    assert_ne!(both.header("webhook-id"), plain.header("webhook-id"));
    let third = "whsec_cmVnZW50ZS1waXRmYWxscy10ZXN0LWtleS0wMDAx";
    let given = rotate(&world, &channel, &json!({"signing_secret": third, "keep_old_s": 0})).await;
    assert_eq!((given.signing_secret, given.channel.old_secret_until), (None, None));
    let last = sent().await;
    assert_eq!([&first, &second, third].map(|secret| verifies(&last, secret)), [false, false, true]);
    // Another server gets another secret, not one more signature of this one.
    let moved = json!({"settings": {"url": "https://other.example.com"}});
    let _refused = put(&world, &channel, &moved).await.problem(422);
    let too_long = json!({"keep_old_s": 604_801});
    let _refused = world.client.post(&format!("{CHANNELS}/{}/rotate", channel.id), &too_long).await.problem(422);
    let other = json!({"name": "Chat", "kind": "slack", "secrets": {"url": receiver.url()}});
    let other = create(&world, &other).await.channel;
    let refused = world.client.post(&format!("{CHANNELS}/{}/rotate", other.id), &json!({})).await.problem(409);
    assert_eq!(refused.code, "no_signing_secret");
    world.end().await;
}

/// What Slack refuses: too many blocks, too long or empty texts, a raw `<`, `>` or `&`.
fn slack(request: &Received) -> Reply {
    let body = request.json();
    let is_escaped = |text: &str| {
        let plain = text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
        // Links are all that may have angle brackets.
        plain.split('<').skip(1).all(|link| link.starts_with("http") && link.contains('>')) && !plain.contains("& ")
    };
    let blocks = body["blocks"].as_array().cloned().unwrap_or_default();
    let is_block = |block: &Value| match block["type"].as_str() {
        Some("header") => {
            block["text"]["type"] == "plain_text" && (1..=150).contains(&block["text"]["text"].as_str().unwrap().chars().count())
        }
        Some("section") => {
            let text = block["text"]["text"].as_str().unwrap();
            block["text"]["type"] == "mrkdwn" && (1..=3000).contains(&text.chars().count()) && is_escaped(text)
        }
        Some("context") => block["elements"].as_array().is_some_and(|elements| (1..=10).contains(&elements.len())),
        _ => false,
    };
    let is_fine =
        (1..=50).contains(&blocks.len()) && blocks.iter().all(is_block) && body["text"].as_str().is_some_and(|text| !text.is_empty());
    if is_fine { Reply::new(200, "ok") } else { Reply::new(400, "invalid_payload") }
}

async fn slack_takes_the_message(delivery: Delivery) {
    let world = local(delivery).await;
    let receiver = Receiver::start(slack).await.unwrap();
    let body =
        json!({"name": "<Ops> & co", "kind": "slack", "language": "en", "secrets": {"url": format!("{}/services/T/B/x", receiver.url())}});
    let channel = create(&world, &body).await.channel;
    let tried = test(&world, &channel).await;
    assert_eq!((tried.sent, tried.status, tried.answer.as_str()), (true, Some(200), "ok"));
    let shown = receiver.received()[0].json();
    assert!(shown["text"].as_str().unwrap().ends_with("Test of the channel &lt;Ops&gt; &amp; co"), "{shown}");
    for (status, said) in [(410, "channel_is_archived"), (404, "no_service"), (400, "invalid_payload"), (403, "action_prohibited")] {
        let refusing = Receiver::start(move |_| Reply::new(status, said)).await.unwrap();
        let body = json!({"secrets": {"url": refusing.url()}});
        let _changed = put(&world, &channel, &body).await.expect(200);
        let tried = test(&world, &channel).await;
        assert_eq!((tried.sent, tried.status, tried.answer.contains(said)), (false, Some(status), true), "{tried:?}");
    }
    world.end().await;
}

fn teams(request: &Received) -> Reply {
    let body = request.json();
    let attachment = &body["attachments"][0];
    let card = &attachment["content"];
    let is_fine = body["type"] == "message"
        && attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        && card["type"] == "AdaptiveCard"
        && card["version"].is_string()
        && card["body"].as_array().is_some_and(|body| !body.is_empty())
        && request.body.len() < 20 * 1024
        && request.target.ends_with("?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sig=a%2Fb%2Bc%3D");
    Reply::new(if is_fine { 202 } else { 400 }, "")
}

async fn teams_takes_the_message_and_202_is_success(delivery: Delivery) {
    let world = local(delivery).await;
    let receiver = Receiver::start(teams).await.unwrap();
    let url =
        format!("{}/workflows/{}/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sig=a%2Fb%2Bc%3D", receiver.url(), "f".repeat(300));
    let body = json!({"name": "Equipe", "kind": "teams", "secrets": {"url": url}});
    let channel = create(&world, &body).await.channel;
    let tried = test(&world, &channel).await;
    assert_eq!((tried.sent, tried.status, receiver.received().len()), (true, Some(202), 1));
    let title = receiver.received()[0].json()["attachments"][0]["content"]["body"][0]["text"].as_str().unwrap().to_owned();
    assert!(title.ends_with("Teste do canal Equipe"), "{title}");
    world.end().await;
}

fn pagerduty(request: &Received) -> Reply {
    let event = request.json();
    let text = |value: &Value, most: usize| value.as_str().is_some_and(|text| (1..=most).contains(&text.chars().count()));
    let payload = &event["payload"];
    let has_payload = text(&payload["summary"], 1024)
        && text(&payload["source"], 1024)
        && ["critical", "error", "warning", "info"].contains(&payload["severity"].as_str().unwrap_or_default());
    let is_fine = event["routing_key"] == "R0000000000000000000000000000000"
        && text(&event["dedup_key"], 255)
        && match event["event_action"].as_str() {
            Some("trigger") => has_payload,
            Some("acknowledge" | "resolve") => true,
            _ => false,
        };
    if is_fine {
        Reply::json(202, &json!({"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}))
    } else {
        Reply::json(400, &json!({"status": "invalid event", "errors": ["what?"]}))
    }
}

async fn pagerduty_takes_the_event_and_nobody_is_called(delivery: Delivery) {
    let world = local(delivery).await;
    let receiver = Receiver::start(pagerduty).await.unwrap();
    let settings = json!({"url": format!("{}/v2/enqueue", receiver.url())});
    let body = json!({"name": "On call", "kind": "pagerduty", "settings": settings, "secrets": {"routing_key": "R0000000000000000000000000000000"}});
    let channel = create(&world, &body).await.channel;
    let tried = test(&world, &channel).await;
    assert_eq!((tried.sent, tried.status), (true, Some(202)));
    let events: Vec<_> = receiver.received().iter().map(|request| (request.target.clone(), request.json())).collect();
    let of = |field: &str| events.iter().map(|(_, event)| event[field].clone()).collect::<Vec<_>>();
    assert_eq!(of("event_action"), ["trigger", "resolve"]);
    assert!(of("dedup_key")[0] == of("dedup_key")[1] && events.iter().all(|(target, _)| target == "/v2/enqueue"));
    world.end().await;
}

fn telegram(request: &Received) -> Reply {
    let body = request.json();
    if !request.target.ends_with("/sendMessage") || request.method != "POST" {
        return Reply::json(404, &json!({"ok": false, "error_code": 404, "description": "Not Found"}));
    }
    let text = body["text"].as_str().unwrap_or_default();
    let is_html = text.split('<').skip(1).all(|tag| ["b>", "/b>", "a href=\"", "/a>"].iter().any(|known| tag.starts_with(known)));
    if body["chat_id"] != "-1001234567890" || body["parse_mode"] != "HTML" || !is_html || !(1..=4096).contains(&text.encode_utf16().count())
    {
        return Reply::json(400, &json!({"ok": false, "error_code": 400, "description": "Bad Request: can't parse entities"}));
    }
    Reply::json(200, &json!({"ok": true, "result": {"message_id": 42}}))
}

async fn telegram_takes_the_message_and_says_when_it_is_too_often(delivery: Delivery) {
    let world = local(delivery).await;
    let receiver = Receiver::start(telegram).await.unwrap();
    let token = format!("123456:{}", "a".repeat(35));
    let settings = |url: &str| json!({"url": url, "chat_id": "-1001234567890"});
    let body = json!({"name": "<Grupo>", "kind": "telegram", "settings": settings(&receiver.url()), "secrets": {"bot_token": token}});
    let channel = create(&world, &body).await.channel;
    let tried = test(&world, &channel).await;
    assert_eq!((tried.sent, tried.status), (true, Some(200)), "{tried:?}");
    assert_eq!(receiver.received()[0].target, format!("/bot{token}/sendMessage"));
    let too_often =
        json!({"ok": false, "error_code": 429, "description": "Too Many Requests: retry after 34", "parameters": {"retry_after": 34}});
    let busy = Receiver::start(move |_| Reply::json(429, &too_often)).await.unwrap();
    let moved = json!({"settings": settings(&busy.url()), "secrets": {"bot_token": token}});
    let _moved = world.client.send(world.client.request(Method::PUT, &format!("{CHANNELS}/{}", channel.id)).json(&moved)).await.expect(200);
    let tried = test(&world, &channel).await;
    assert!(!tried.sent && tried.status == Some(429) && tried.answer.contains("retry after 34"), "{tried:?}");
    world.end().await;
}
