//! Inbound webhooks: what senders prove, what their requests become, who manages them. Payloads have the shapes of the senders' documentation.

pub(crate) mod alertmanager;
mod manage;
mod refusals;

use api_types::{Automation, HookAnswer, HookDelivery, HookShown, Job, Problem};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::Utc;
use domain::{hook::Outcome, ids::HookId, job::Trigger};
use e2e::{Answer, Client, Delivery, World, on_both};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{automation, calm, replica};

on_both!(
    a_push_to_main_starts_a_job,
    a_payment_starts_a_job_once,
    an_alert_starts_a_job,
    a_form_and_standard_webhooks_and_a_header_of_one_s_choice,
    equal_requests_at_two_replicas_have_one_job,
    a_request_without_a_key_is_one_of_its_own,
);

const PUSH: &str = include_str!("hooks/github_push.json");
const EVENT: &str = include_str!("hooks/stripe_event.json");
const ALERT: &str = include_str!("hooks/alertmanager.json");
/// A secret that both sides know.
const SECRET: &str = "s3cret-of-a-sender";

/// A hook of a new automation, with these fields.
async fn hook(world: &World, name: &str, fields: Value) -> (Automation, HookShown) {
    let automation = automation(world, name).await;
    let shown = of_automation(world, &automation, fields).await;
    (automation, shown)
}

async fn of_automation(world: &World, automation: &Automation, fields: Value) -> HookShown {
    let mut body = json!({"automation_id": automation.id, "name": "from outside"});
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
    }
    world.client.post("/api/v1/hooks", &body).await.expect(201).json()
}

/// A request to a hook, as its sender sends it: nothing else identifies it.
async fn send(client: &Client, hook: &HookShown, headers: &[(&str, &str)], body: &str) -> Answer {
    send_to(client, hook.token.as_deref().unwrap(), headers, body).await
}

async fn send_to(client: &Client, token: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let request = client.bare(Method::POST, &format!("/api/v1/hooks/{token}")).body(body.to_owned());
    client.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

/// The answer to a request that was handled.
fn handled(answer: Answer, status: u16) -> HookAnswer {
    let answer = answer.expect(status);
    let fields: Value = answer.json();
    assert_eq!(fields.as_object().unwrap().len(), 2, "nothing more of the hub: {fields}");
    answer.json()
}

async fn job_of(world: &World, answer: &HookAnswer) -> Job {
    world.client.job(answer.job_id.unwrap()).await
}

async fn jobs(world: &World, automation: &Automation) -> usize {
    world.client.get(&format!("/api/v1/jobs?automation_id={}", automation.id)).await.expect(200).json::<Vec<Job>>().len()
}

async fn deliveries(world: &World, id: HookId) -> Vec<HookDelivery> {
    world.client.get(&format!("/api/v1/hooks/{id}/deliveries")).await.expect(200).json()
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The signature of GitHub.
fn github(body: &str) -> String {
    format!("sha256={}", hex(&mac(SECRET.as_bytes(), body)))
}

/// The signature of Stripe, made `age` seconds ago.
fn stripe(body: &str, age: i64) -> String {
    let time = Utc::now().timestamp() - age;
    format!("t={time},v1={},v0=00", hex(&mac(SECRET.as_bytes(), &format!("{time}.{body}"))))
}

async fn push(client: &Client, hook: &HookShown, event: &str, id: &str, body: &str) -> Answer {
    let signature = github(body);
    let headers = [
        ("content-type", "application/json"),
        ("user-agent", "GitHub-Hookshot/044aadd"),
        ("x-github-event", event),
        ("x-github-delivery", id),
        ("x-github-hook-id", "292430182"),
        ("x-hub-signature-256", &signature),
    ];
    send(client, hook, &headers, body).await
}

fn pushes_to_main() -> Value {
    json!({
        "name": "pushes", "signature": {"scheme": "github"}, "secret": SECRET, "parameters": {"source": "github", "commit": "none"},
        "mapping": {
            "commit": {"pointer": "/after", "required": true}, "message": {"pointer": "/head_commit/message"},
            "event": {"header": "X-GitHub-Event"}, "tag": {"pointer": "/tag", "default": "no tag"}, "gone": {"pointer": "/gone"}
        },
        "filter": [
            {"header": "X-GitHub-Event", "operator": "eq", "value": "push"},
            {"pointer": "/ref", "operator": "eq", "value": "refs/heads/main"}
        ],
        "dedup": {"header": "X-GitHub-Delivery"}
    })
}

async fn a_push_to_main_starts_a_job(delivery: Delivery) {
    let world = calm(delivery).await;
    let (automation, hook) = hook(&world, "deploy", pushes_to_main()).await;
    let first = handled(push(&world.client, &hook, "push", "72d3162e-1", PUSH).await, 202);
    let job = job_of(&world, &first).await;
    let parameters = json!({
        "source": "github", "commit": "9c3e5a7b1d2f4e6a8c0b3d5f7e9a1c2b4d6f8e0a", "event": "push", "tag": "no tag",
        "message": "Corrige o cálculo do ISS\n\nA alíquota de São Paulo mudou."
    });
    assert_eq!(
        (Value::from(job.parameters.clone()), job.trigger, job.requested_by.as_deref()),
        (parameters, Trigger::Api, Some("hook:pushes"))
    );
    assert_eq!((first.outcome, job.automation_id), (Outcome::Accepted, automation.id));

    let ping = handled(push(&world.client, &hook, "ping", "72d3162e-2", r#"{"zen": "Keep it logically awesome."}"#).await, 200);
    assert_eq!((ping.outcome, ping.job_id), (Outcome::Filtered, None));
    let elsewhere = PUSH.replace("refs/heads/main", "refs/heads/next");
    assert_eq!(handled(push(&world.client, &hook, "push", "72d3162e-3", &elsewhere).await, 200).outcome, Outcome::Filtered);
    let again = handled(push(&world.client, &hook, "push", "72d3162e-1", PUSH).await, 202);
    assert_eq!((again.outcome, again.job_id), (Outcome::Duplicate, first.job_id));
    let other = handled(push(&world.client, &hook, "push", "72d3162e-4", PUSH).await, 202);
    assert!(other.outcome == Outcome::Accepted && other.job_id != first.job_id);
    assert_eq!(jobs(&world, &automation).await, 2);

    let found = deliveries(&world, hook.hook.id).await;
    let seen: Vec<_> = found.iter().map(|one| (one.outcome, one.status, one.job_id, one.dedup_key.as_deref())).collect();
    let expected = [
        (Outcome::Accepted, 202, other.job_id, Some("72d3162e-4")),
        (Outcome::Duplicate, 202, first.job_id, Some("72d3162e-1")),
        (Outcome::Filtered, 200, None, None),
        (Outcome::Filtered, 200, None, None),
        (Outcome::Accepted, 202, first.job_id, Some("72d3162e-1")),
    ];
    assert_eq!(seen, expected);
    assert!(found[2].reason.as_deref().unwrap().starts_with("body/ref does not meet the filter"));
    let kept = &found[4];
    let names: Vec<_> = kept.headers.keys().map(String::as_str).collect();
    assert_eq!(names, ["content-type", "user-agent", "x-github-delivery", "x-github-event"]);
    assert_eq!((kept.body_bytes, kept.body.as_deref()), (i64::try_from(PUSH.len()).unwrap(), None));
    let one = world.client.get(&format!("/api/v1/hooks/{}/deliveries/{}", hook.hook.id, kept.id)).await.expect(200);
    assert_eq!(one.json::<HookDelivery>().body.as_deref(), Some(PUSH), "byte for byte");
    world.end().await;
}

async fn a_payment_starts_a_job_once(delivery: Delivery) {
    let world = calm(delivery).await;
    let fields = json!({
        "signature": {"scheme": "stripe"}, "secret": SECRET, "dedup": {"pointers": ["/id"]},
        "filter": [{"pointer": "/type", "operator": "in", "value": ["invoice.paid", "charge.succeeded"]}],
        "mapping": {"invoice": {"pointer": "/data/object/number", "required": true}, "waiting": {"pointer": "/pending_webhooks"}}
    });
    let (automation, hook) = hook(&world, "payments", fields).await;
    let pay = async |body: &str, signature: &str| {
        let headers = [("content-type", "application/json; charset=utf-8"), ("stripe-signature", signature)];
        send(&world.client, &hook, &headers, body).await
    };
    let first = handled(pay(EVENT, &stripe(EVENT, 0)).await, 202);
    let job = job_of(&world, &first).await;
    assert_eq!(Value::from(job.parameters), json!({"invoice": "EX-2026-0031", "waiting": 2}));
    // Sent again later, signed anew, with another number of what waits: it is the same event.
    let later = EVENT.replace("\"pending_webhooks\": 2", "\"pending_webhooks\": 1");
    let again = handled(pay(&later, &stripe(&later, 290)).await, 202);
    assert_eq!((again.outcome, again.job_id), (Outcome::Duplicate, first.job_id));
    let old = pay(EVENT, &stripe(EVENT, 310)).await.problem(401);
    assert!(old.code == "not_proved" && old.detail.contains("five minutes"), "{old:?}");
    let changed = pay(&later, &stripe(EVENT, 0)).await.problem(401);
    assert!(changed.detail.contains("another body"), "{changed:?}");
    assert_eq!(jobs(&world, &automation).await, 1);
    world.end().await;
}

async fn an_alert_starts_a_job(delivery: Delivery) {
    let world = calm(delivery).await;
    let fields = json!({
        "signature": {"scheme": "bearer"}, "secret": SECRET, "dedup": {"pointers": ["/groupKey", "/status", "/alerts/0/startsAt"]},
        "filter": [{"pointer": "/status", "operator": "eq", "value": "firing"}, {"pointer": "/commonLabels/alertname", "operator": "starts_with", "value": "Disk"}],
        "mapping": {"host": {"pointer": "/commonLabels/instance", "required": true}, "disks": {"pointer": "/alerts"}, "run": {"pointer": "/version"}}
    });
    let (automation, hook) = hook(&world, "clean up", fields).await;
    let alert = async |credential: &str, body: &str| {
        let headers = [("content-type", "application/json"), ("user-agent", "Alertmanager/0.25.0"), ("authorization", credential)];
        send(&world.client, &hook, &headers, body).await
    };
    let right = format!("Bearer {SECRET}");
    let first = handled(alert(&right, ALERT).await, 202);
    let job = job_of(&world, &first).await;
    assert_eq!((job.parameters["host"].as_str(), job.parameters["disks"].as_array().unwrap().len()), (Some("erp-01:9100"), 2));
    // The group is sent again while it burns, and when it is over.
    assert_eq!(handled(alert(&right, ALERT).await, 202).outcome, Outcome::Duplicate);
    let over = ALERT.replace("\"status\":\"firing\"", "\"status\":\"resolved\"");
    assert_eq!(handled(alert(&right, &over).await, 200).outcome, Outcome::Filtered);
    let burns_again = ALERT.replace("2026-11-26T04:12:30.114Z", "2026-11-26T09:00:00Z");
    assert_eq!(handled(alert(&right, &burns_again).await, 202).outcome, Outcome::Accepted);
    // A credential of the hub's own is none here.
    let token = world.door().access_token().await.unwrap();
    for wrong in ["Bearer wrong-secret-of-a-sender", "Basic x", SECRET, &format!("Bearer {token}")] {
        assert_eq!(alert(wrong, ALERT).await.problem(401).code, "not_proved", "{wrong}");
    }
    assert_eq!(jobs(&world, &automation).await, 2);
    world.end().await;
}

async fn a_form_and_standard_webhooks_and_a_header_of_one_s_choice(delivery: Delivery) {
    let world = calm(delivery).await;
    let (_, form) = hook(&world, "forms", pushes_to_main()).await;
    let body = form_urlencoded::Serializer::new(String::new()).append_pair("payload", PUSH).finish();
    let signature = github(&body);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-github-event", "push"),
        ("x-github-delivery", "1"),
        ("x-hub-signature-256", &signature),
    ];
    let job = job_of(&world, &handled(send(&world.client, &form, &headers, &body).await, 202)).await;
    assert_eq!(job.parameters["commit"], "9c3e5a7b1d2f4e6a8c0b3d5f7e9a1c2b4d6f8e0a");

    // The hub makes the secret.
    let fields =
        json!({"signature": {"scheme": "standard_webhooks"}, "dedup": {"header": "webhook-id"}, "mapping": {"run": {"pointer": "/run"}}});
    let (_, standard) = hook(&world, "standard", fields).await;
    let key = STANDARD.decode(standard.secret.as_deref().unwrap().strip_prefix("whsec_").unwrap()).unwrap();
    let (body, time) = (r#"{"run":"42","ok":true}"#, Utc::now().timestamp().to_string());
    let signed = format!("v1,{}", STANDARD.encode(mac(&key, &format!("msg_0001.{time}.{body}"))));
    let headers = |signature| {
        [("content-type", "application/json"), ("webhook-id", "msg_0001"), ("webhook-timestamp", &*time), ("webhook-signature", signature)]
    };
    let first = handled(send(&world.client, &standard, &headers(&signed), body).await, 202);
    assert_eq!(job_of(&world, &first).await.parameters["run"], "42");
    let both = format!("v1,{} {signed}", STANDARD.encode([0; 32]));
    assert_eq!(
        handled(send(&world.client, &standard, &headers(&both), body).await, 202).job_id,
        first.job_id,
        "either may be the right one"
    );

    let fields = json!({"signature": {"scheme": "hmac", "header": "X-Line-Signature", "encoding": "base64"}, "secret": SECRET});
    let (_, line) = hook(&world, "line", fields).await;
    // The bytes themselves are signed: spaces, and characters that could be escaped otherwise.
    let body = "{ \"events\" :\t[\"\\u00e9\", \"é\", 1.50] }\n";
    let signature = STANDARD.encode(mac(SECRET.as_bytes(), body));
    let headers = [("content-type", "application/json"), ("x-line-signature", signature.as_str())];
    let _accepted = handled(send(&world.client, &line, &headers, body).await, 202);
    let compact = "{\"events\":[\"é\",\"é\",1.5]}";
    assert_eq!(send(&world.client, &line, &headers, compact).await.problem(401).code, "not_proved");
    world.end().await;
}

async fn equal_requests_at_two_replicas_have_one_job(delivery: Delivery) {
    let world = calm(delivery).await;
    let fields = json!({"dedup": {"pointers": ["/id"]}, "mapping": {"nth": {"pointer": "/nth"}}});
    let (automation, hook) = hook(&world, "once", fields).await;
    // A file of SQLite is one process's.
    let other = if delivery == Delivery::Queue { Some(replica(&world).await) } else { None };
    let clients: Vec<Client> = std::iter::once(world.client.clone()).chain(other.iter().map(|(_, client)| client.clone())).collect();
    let sends = (0..12).map(|nth| {
        let (client, hook) = (clients[nth % clients.len()].clone(), hook.clone());
        // What differs does not count.
        let body = format!("{{\"id\": \"evt_1\", \"nth\": {nth}}}");
        tokio::spawn(async move { handled(send(&client, &hook, &[("content-type", "application/json")], &body).await, 202) })
    });
    let (mut outcomes, mut ids) = (Vec::new(), Vec::new());
    for sent in sends.collect::<Vec<_>>() {
        let answer = sent.await.unwrap();
        outcomes.push(answer.outcome);
        ids.push(answer.job_id.unwrap());
    }
    ids.dedup();
    assert_eq!((ids.len(), jobs(&world, &automation).await), (1, 1), "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Accepted).count(), 1, "{outcomes:?}");
    assert_eq!(deliveries(&world, hook.hook.id).await.len(), 12);
    if let Some((hub, _)) = other {
        hub.stop().await;
    }
    world.end().await;
}

async fn a_request_without_a_key_is_one_of_its_own(delivery: Delivery) {
    let world = calm(delivery).await;
    let (automation, hook) = hook(&world, "button", json!({"parameters": {"dry": true}})).await;
    // As `curl -X POST` sends it: no body, no type.
    let (one, two) = (handled(send(&world.client, &hook, &[], "").await, 202), handled(send(&world.client, &hook, &[], "").await, 202));
    assert_ne!(one.job_id, two.job_id);
    assert_eq!((jobs(&world, &automation).await, Value::from(job_of(&world, &one).await.parameters)), (2, json!({"dry": true})));
    world.end().await;
}

/// Names of the fields that a problem speaks of.
fn fields(problem: &Problem) -> Vec<&str> {
    crate::support::fields(problem)
}
