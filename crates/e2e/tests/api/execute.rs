//! Running an automation.

use std::collections::HashSet;

use api_types::Job;
use e2e::{Delivery, World, on_both};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{archived, automation, calm, fields, with};

on_both!(
    the_parameters_are_the_body_over_the_defaults,
    numbers_are_kept_exactly,
    schema_faults_are_reported_with_their_paths,
    the_same_idempotency_key_returns_the_same_job,
    a_requested_job_has_one_key_wherever_it_is_given,
    the_same_idempotency_key_returns_the_same_job_whatever_changed_since,
    what_a_fault_says_does_not_repeat_the_value,
    a_form_of_older_systems_takes_what_it_took_there,
    twenty_at_once_with_one_key_make_one_job,
);

async fn jobs(world: &World) -> Vec<Job> {
    world.client.get("/api/v1/jobs?limit=1000").await.expect(200).json()
}

async fn the_parameters_are_the_body_over_the_defaults(delivery: Delivery) {
    let world = calm(delivery).await;
    let client = &world.client;
    let body =
        json!({"name": "d", "queue_name": world.queue("d"), "script_path": "x", "priority": 3, "default_params": {"a": 1, "b": {"c": 2}}});
    let automation = client.automation(&body).await;
    let path = format!("/api/v1/automations/{}/execute", automation.id);
    let answer = client.post(&path, &json!({"b": {"d": 4}, "e": null})).await.expect(202);
    let job: Job = answer.json();
    assert_eq!(answer.headers["location"], format!("/api/v1/jobs/{}", job.id));
    assert_eq!(json!(job.parameters), json!({"a": 1, "b": {"d": 4}, "e": null}), "the body's value replaces the default's whole");
    assert_eq!((job.priority, job.attempt, job.retry_of, job.id.get().get_version_num()), (3, 1, None, 7));
    let stored = client.job(job.id).await;
    assert_eq!((stored.parameters, stored.created_at), (job.parameters, job.created_at));
    for empty in ["", " \n", "null", "{}"] {
        let job: Job = client.send(client.request(Method::POST, &path).body(empty)).await.expect(202).json();
        assert_eq!(json!(job.parameters), json!({"a": 1, "b": {"c": 2}}), "{empty:?}");
    }
    let urgent: Job = client.post(&format!("{path}?priority=9"), &json!({})).await.expect(202).json();
    assert_eq!(urgent.priority, 9);
    world.end().await;
}

async fn numbers_are_kept_exactly(delivery: Delivery) {
    let world = calm(delivery).await;
    let automation = automation(&world, "numbers").await;
    let deep = (0..50).fold(json!(1), |inner, _| json!({"a": [inner]}));
    let parameters = json!({"deep": deep, "large": 1e300, "small": 1e-300, "beyond_double": 9_007_199_254_740_993_i64, "least": i64::MIN, "most": u64::MAX, "third": 0.1, "chave": "35".repeat(22)});
    let job = world.client.execute(&automation, &parameters).await;
    assert_eq!(json!(job.parameters), parameters);
    let answer = world.client.get(&format!("/api/v1/jobs/{}", job.id)).await.expect(200);
    assert_eq!(answer.json::<Value>()["parameters"], parameters);
    assert!(answer.text.contains("18446744073709551615") && answer.text.contains("9007199254740993"), "{}", answer.text);
    world.end().await;
}

async fn schema_faults_are_reported_with_their_paths(delivery: Delivery) {
    let world = calm(delivery).await;
    let schema = json!({"type": "object", "required": ["cnpj"], "additionalProperties": false, "properties": {
        "cnpj": {"type": "string", "pattern": "^[0-9]{14}$"}, "notas": {"type": "array", "items": {"type": "integer", "minimum": 1}},
        "de": {"type": "string", "format": "date"}}});
    let body = json!({"name": "s", "queue_name": world.queue("s"), "script_path": "x", "parameter_schema": schema});
    let automation = world.client.automation(&body).await;
    let path = format!("/api/v1/automations/{}/execute", automation.id);
    let broken = json!({"cnpj": "12", "notas": [1, 0, "x"], "de": "31/12/2025"});
    let problem = world.client.post(&path, &broken).await.problem(422);
    assert_eq!(problem.code, "invalid");
    let named: HashSet<&str> = fields(&problem).into_iter().collect();
    assert_eq!(named, HashSet::from(["cnpj", "notas/1", "notas/2", "de"]), "{problem:?}");
    let missing = world.client.post(&path, &json!({"extra": 1})).await.problem(422);
    assert!(missing.detail.contains("cnpj") && missing.detail.contains("extra"), "{}", missing.detail);
    assert!(fields(&missing).contains(&"cnpj"), "a missing field is named as well: {missing:?}");
    let nul = world.client.post(&path, &json!({"cnpj": "a\u{0}"})).await.problem(422);
    assert_eq!(fields(&nul)[0], "cnpj");
    let request = world.client.request(Method::POST, &path).header("content-type", "application/json");
    let long = world.client.send(request.body(r#"{"chave": 35260112345678000195550010000001231000001234}"#)).await.problem(422);
    assert!(fields(&long)[0] == "chave" && long.detail.contains("send it as a string"), "{long:?}");
    assert_eq!(jobs(&world).await, [], "what is refused leaves no job");
    world.end().await;
}

async fn the_same_idempotency_key_returns_the_same_job(delivery: Delivery) {
    let world = calm(delivery).await;
    let client = &world.client;
    let (one, two) = (automation(&world, "one").await, automation(&world, "two").await);
    let send = async |id: domain::ids::AutomationId, key: &str, body: &Value| {
        let request = client.request(Method::POST, &format!("/api/v1/automations/{id}/execute")).header("Idempotency-Key", key);
        client.send(request.json(body)).await
    };
    let first = send(one.id, "nota-1", &json!({"n": 1})).await.expect(202);
    let job: Job = first.json();
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let again = send(one.id, "nota-1", &json!({"n": 1})).await.expect(202);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.json::<Job>().id, job.id);
    assert_eq!(json!(again.json::<Job>().parameters), json!({"n": 1}));
    let other = send(one.id, "nota-1", &json!({"n": 2})).await.problem(422);
    assert_eq!(fields(&other), ["Idempotency-Key"]);
    assert!(other.detail.contains("used before with other parameters"), "{}", other.detail);
    assert_ne!(send(one.id, "nota-2", &json!({})).await.expect(202).json::<Job>().id, job.id);
    assert_ne!(send(two.id, "nota-1", &json!({})).await.expect(202).json::<Job>().id, job.id, "keys belong to an automation");
    let _started = crate::support::start(&world, job.id).await;
    let _ended = crate::support::report(&world, job.id, "finish", &json!({"status": "completed"})).await.expect(200);
    assert_eq!(send(one.id, "nota-1", &json!({"n": 1})).await.expect(202).json::<Job>().id, job.id, "also when it has ended");
    for key in [String::new(), "k".repeat(256)] {
        let problem = send(one.id, &key, &json!({})).await.problem(400);
        assert!(problem.detail.contains("Idempotency-Key"), "{}", problem.detail);
    }
    let reserved = send(one.id, "schedule/1/2026-11-27T10:30:00Z", &json!({})).await.problem(422);
    assert_eq!(fields(&reserved), ["Idempotency-Key"], "it could take a schedule's run away");
    let _longest = send(one.id, &"k".repeat(255), &json!({})).await.expect(202);
    world.end().await;
}

async fn the_same_idempotency_key_returns_the_same_job_whatever_changed_since(delivery: Delivery) {
    let world = calm(delivery).await;
    let automation = automation(&world, "changes").await;
    let place = format!("/api/v1/automations/{}", automation.id);
    let send = async |key: &str| {
        let request = world.client.request(Method::POST, &format!("{place}/execute")).header("Idempotency-Key", key);
        world.client.send(request.json(&json!({"n": 1}))).await
    };
    let job: Job = send("nota").await.expect(202).json();
    let strict = json!({"parameter_schema": {"type": "object", "required": ["cnpj"]}});
    let _changed = world.client.send(world.client.request(Method::PUT, &place).json(&strict)).await.expect(200);
    world.everywhere("the schema is stricter", async || send(&Uuid::now_v7().to_string()).await.status == 422).await;
    assert_eq!(send("nota").await.expect(202).json::<Job>().id, job.id, "the schema is stricter now");
    assert_eq!(fields(&send("other").await.problem(422)), ["cnpj"]);
    let _archived = world.client.send(world.client.request(Method::DELETE, &place)).await.expect(200);
    archived(&world, &automation).await;
    let again = send("nota").await.expect(202);
    assert_eq!((again.json::<Job>().id, &again.headers["idempotency-replayed"]), (job.id, &"true".parse().unwrap()));
    assert_eq!(send("other").await.problem(409).code, "automation_archived");
    let nul = json!({"automation_id": automation.id, "idempotency_key": "a\u{0}"});
    assert_eq!(fields(&world.client.post("/api/v1/jobs", &nul).await.problem(422)), ["idempotency_key"]);
    world.end().await;
}

async fn what_a_fault_says_does_not_repeat_the_value(delivery: Delivery) {
    let world = calm(delivery).await;
    let schema = json!([{"name": "senha", "type": "password", "required": true}, {"name": "lojas", "type": "list", "itemType": "number"}]);
    let body = json!({"name": "p", "queue_name": world.queue("p"), "script_path": "x", "parameter_schema": schema});
    let path = format!("/api/v1/automations/{}/execute", world.client.automation(&body).await.id);
    let problem = world.client.post(&path, &json!({"senha": ["s3gredo"], "lojas": [1, "s3gredo"]})).await.problem(422);
    let reported: HashSet<&str> = fields(&problem).into_iter().collect();
    assert_eq!(reported, HashSet::from(["senha", "lojas/1"]));
    assert!(problem.detail.contains("string") && !format!("{problem:?}").contains("s3gredo"), "{problem:?}");
    world.end().await;
}

async fn a_form_of_older_systems_takes_what_it_took_there(delivery: Delivery) {
    let world = calm(delivery).await;
    let form = json!([{"name": "start_date", "label": "Data inicial", "type": "date", "required": true},
        {"name": "stores", "label": "Lojas", "type": "list", "itemType": "number", "required": true},
        {"name": "tipo", "label": "Tipo de documento", "type": "select", "options": ["nfe", "nfce"]},
        {"name": "ufs", "type": "multiselect", "options": ["SP", "RJ"]},
        {"name": "emails", "type": "list_text", "placeholder": "one a line"},
        {"name": "cor", "type": "color", "default": "red"}]);
    let body =
        json!({"name": "f", "queueName": world.queue("f"), "scriptPath": "x", "parameterSchema": form, "defaultParams": {"tipo": "nfe"}});
    let automation = world.client.automation(&body).await;
    let properties = automation.parameter_schema.unwrap()["properties"].clone();
    assert_eq!(properties["emails"]["x-placeholder"], "one a line");
    assert_eq!(properties["cor"], json!({"type": "string", "default": "red", "x-field-type": "color"}), "unknown types are kept as text");
    let path = format!("/api/v1/automations/{}/execute", automation.id);
    let lists = json!({"start_date": "2026-05-18", "stores": [], "ufs": ["RJ", "SP"], "emails": ["a@b", "a@b"], "cor": "blue"});
    let _lists = world.client.post(&path, &lists).await.expect(202);
    let given = json!({"start_date": "18/05/2026", "stores": [4814, 6861]});
    let job: Job = world.client.post(&path, &given).await.expect(202).json();
    assert_eq!(json!(job.parameters), json!({"start_date": "18/05/2026", "stores": [4814, 6861], "tipo": "nfe"}), "as it was sent");
    let _iso = world.client.post(&path, &json!({"start_date": "2026-05-18", "stores": []})).await.expect(202);
    for (wrong, field) in [
        (json!({"start_date": "31/02/2026", "stores": []}), "start_date"),
        (json!({"start_date": "18/05/2026", "stores": ["a"]}), "stores/0"),
        (json!({"start_date": "18/05/2026", "stores": [], "ufs": ["SP", "MG"]}), "ufs/1"),
        (json!({"start_date": "18/05/2026", "stores": [], "ufs": ["SP", "SP"]}), "ufs"),
        (json!({"start_date": "18/05/2026", "stores": [], "emails": [1]}), "emails/0"),
        (json!({"start_date": "18/05/2026", "stores": [], "cor": 3}), "cor"),
    ] {
        assert_eq!(fields(&world.client.post(&path, &wrong).await.problem(422)), [field]);
    }
    world.end().await;
}

/// The header and the field of `POST /jobs` are one.
async fn a_requested_job_has_one_key_wherever_it_is_given(delivery: Delivery) {
    let world = calm(delivery).await;
    let automation = automation(&world, "keys").await;
    let send = async |header: Option<&str>, more: Value| {
        let mut body = json!({"automation_id": automation.id, "parameters": {"n": 1}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request = world.client.request(Method::POST, "/api/v1/jobs").json(&body);
        world.client.send(header.iter().fold(request, |request, key| request.header("Idempotency-Key", *key))).await
    };
    let job: Job = send(Some("k"), json!({})).await.expect(202).json();
    for (header, more) in [(Some("k"), json!({})), (None, json!({"idempotency_key": "k"})), (Some("k"), json!({"idempotency_key": "k"}))] {
        let again = send(header, more.clone()).await.expect(202);
        assert_eq!((again.json::<Job>().id, again.headers.contains_key("idempotency-replayed")), (job.id, true), "{more}");
    }
    assert_eq!(fields(&send(Some("k"), json!({"idempotency_key": "l"})).await.problem(422)), ["idempotency_key"]);
    assert_eq!(fields(&send(Some("k"), json!({"priority": 9})).await.problem(422)), ["Idempotency-Key"], "options are part of the request");
    assert_eq!(fields(&send(None, json!({"idempotency_key": "k", "parameters": {}})).await.problem(422)), ["idempotency_key"]);
    assert_eq!(jobs(&world).await.len(), 1);
    world.end().await;
}

async fn twenty_at_once_with_one_key_make_one_job(delivery: Delivery) {
    let world = calm(delivery).await;
    let automation = automation(&world, "twenty").await;
    let path = format!("/api/v1/automations/{}/execute", automation.id);
    let sent = (0..20).map(|n| {
        let request = world.client.request(Method::POST, &path).header("Idempotency-Key", "k").json(&json!({"n": n % 2}));
        world.client.send(request)
    });
    let (accepted, refused): (Vec<_>, Vec<_>) = join_all(sent).await.into_iter().partition(|answer| answer.status == 202);
    let ids: HashSet<_> = accepted.into_iter().map(|answer| answer.json::<Job>().id).collect();
    assert_eq!((ids.len(), jobs(&world).await.len()), (1, 1));
    assert_eq!(refused.len(), 10, "those with other parameters");
    refused.iter().for_each(|answer| assert_eq!(fields(&answer.problem(422)), ["Idempotency-Key"]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_no_parameters_are_refused() {
    let world = with(Delivery::Pull, |settings| settings.http.body_limit = 2048).await;
    let client = &world.client;
    let path = format!("/api/v1/automations/{}/execute", automation(&world, "b").await.id);
    for body in ["[1]", "7", "\"x\"", "true", "{", "{\"a\":1}}", "{\"a\":}", "\u{feff}{}", "{'a':1}"] {
        let problem = client.send(client.request(Method::POST, &path).body(body)).await.problem(400);
        assert_eq!(problem.code, "bad_request", "{body}");
    }
    let problem = client.send(client.request(Method::POST, &path).body(vec![b'{', 0xff, b'}'])).await.problem(400);
    assert_eq!(problem.code, "bad_request");
    let problem = client.post(&path, &json!({"a": "x".repeat(3000)})).await.problem(413);
    assert_eq!((problem.code.as_str(), problem.detail.contains("2048")), ("too_large", true));
    let streamed = futures_util::stream::iter((0..64).map(|_| Ok::<_, std::io::Error>("x".repeat(1024))));
    let request = client.request(Method::POST, &path).body(reqwest::Body::wrap_stream(streamed));
    assert_eq!(client.send(request).await.problem(413).code, "too_large", "without a length too");
    assert_eq!(client.post("/api/v1/automations/999999/execute", &json!({})).await.problem(404).code, "not_found");
    for query in ["priority=10", "priority=-1", "priority=high", "prio=1"] {
        let problem = client.post(&format!("{path}?{query}"), &json!({})).await.problem(400);
        assert_eq!(fields(&problem), [query.split('=').next().unwrap()], "{query}");
    }
    assert_eq!(jobs(&world).await, []);
    world.end().await;
}
