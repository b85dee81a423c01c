//! Registering, reading, changing and archiving.

use api_types::{Automation, Job};
use domain::automation::QueueProfile;
use e2e::{Delivery, on_both};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{calm, fields, with};

on_both!(
    an_automation_lives_from_registration_to_archive,
    camel_case_spellings_mean_the_same,
    a_list_of_fields_becomes_a_json_schema,
    an_update_changes_what_it_names_and_null_clears,
    what_was_read_can_be_sent_back,
    a_queue_profile_that_is_not_named_is_the_hubs,
    a_name_is_taken_only_by_a_live_automation,
    lists_are_bare_arrays_in_pages,
);

async fn an_automation_lives_from_registration_to_archive(delivery: Delivery) {
    let world = calm(delivery).await;
    let (client, queue) = (&world.client, world.queue("q"));
    let body = json!({"name": "  Emissão  ", "description": "d", "queue_name": queue, "script_path": "main.py", "priority": 7,
        "timeout_s": 60, "max_concurrency": 2, "entrypoint_type": "SHELL", "queue_profile": "plain", "default_params": {"a": 1},
        "retry_policy": {"max_attempts": 3, "on": ["WORKER_LOST"]}});
    let created = client.post("/api/v1/automations", &body).await.expect(201);
    let automation: Automation = created.json();
    assert_eq!(created.headers["location"], format!("/api/v1/automations/{}", automation.id));
    assert_eq!((automation.name.as_str(), automation.priority, automation.archived_at), ("Emissão", 7, None));
    let shown: Value = created.json();
    for (key, value) in body.as_object().unwrap().iter().filter(|(key, _)| !["name", "retry_policy"].contains(&key.as_str())) {
        assert_eq!(&shown[key], value, "{key}");
    }
    assert_eq!((&shown["retry_policy"]["max_attempts"], &shown["retry_policy"]["backoff"]), (&json!(3), &json!("exponential")));
    let path = format!("/api/v1/automations/{}", automation.id);
    assert_eq!(client.get(&path).await.expect(200).json::<Automation>(), automation);
    let job = client.execute(&automation, &json!({})).await;

    let archived = client.send(client.request(Method::DELETE, &path)).await.expect(200);
    assert_eq!(archived.json::<api_types::AutomationArchived>(), api_types::AutomationArchived::default());
    let kept: Automation = client.get(&path).await.expect(200).json();
    assert!(kept.archived_at.is_some());
    crate::support::archived(&world, &automation).await;
    let refused = client.post(&format!("{path}/execute"), &json!({})).await.problem(409);
    assert_eq!(refused.code, "automation_archived");
    assert_eq!(client.job(job.id).await.id, job.id, "its jobs stay");
    let again = client.send(client.request(Method::DELETE, &path)).await.expect(200);
    assert_eq!(again.json::<api_types::AutomationArchived>(), api_types::AutomationArchived::default());
    assert_eq!(client.get(&path).await.expect(200).json::<Automation>().archived_at, kept.archived_at, "archived once");
    for (method, path) in [(Method::GET, "/api/v1/automations/999999"), (Method::DELETE, "/api/v1/automations/999999")] {
        assert_eq!(client.send(client.request(method, path)).await.problem(404).code, "not_found");
    }
    let missing = client.request(Method::PUT, "/api/v1/automations/999999").json(&json!({"priority": 1}));
    assert_eq!(client.send(missing).await.problem(404).code, "not_found");
    world.end().await;
}

async fn camel_case_spellings_mean_the_same(delivery: Delivery) {
    let world = calm(delivery).await;
    let queue = world.queue("camel");
    let body = json!({"name": "camel", "scriptPath": "/app/a.py", "queueName": queue, "defaultParams": {"mes": 1},
        "parameterSchema": {"type": "object"}, "timeoutS": 9, "maxConcurrency": 2, "retryPolicy": {"max_attempts": 2},
        "entrypointType": "EXE", "queueProfile": "maestro", "queueTimeoutS": 8, "cancelGraceS": 7, "concurrencyKey": "k",
        "concurrencyKeyLimit": 6, "rateLimit": {"max": 5, "per_s": 4.0}, "onWorkerLost": "fail", "cpuLimit": 3.0,
        "memoryLimitBytes": 2_097_152});
    let answer = world.client.post("/api/v1/automations", &body).await.expect(201);
    let shown: Value = answer.json();
    let expected = json!({"script_path": "/app/a.py", "queue_name": queue, "default_params": {"mes": 1}, "parameter_schema": {"type": "object"},
        "timeout_s": 9, "max_concurrency": 2, "entrypoint_type": "EXE", "queue_profile": "maestro", "queue_timeout_s": 8,
        "cancel_grace_s": 7, "concurrency_key": "k", "concurrency_key_limit": 6, "rate_limit": {"max": 5, "per_s": 4.0},
        "on_worker_lost": "fail", "cpu_limit": 3.0, "memory_limit_bytes": 2_097_152});
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&shown[key], value, "{key}");
    }
    assert!(!answer.text.contains("scriptPath"), "output is snake_case: {}", answer.text);
    let path = format!("/api/v1/automations/{}", shown["id"]);
    let change = json!({"scriptPath": "/app/b.py", "defaultParams": {}, "parameterSchema": null, "timeoutS": null});
    let changed: Value = world.client.send(world.client.request(Method::PUT, &path).json(&change)).await.expect(200).json();
    assert_eq!((&changed["script_path"], &changed["default_params"]), (&json!("/app/b.py"), &json!({})));
    assert_eq!((&changed["parameter_schema"], &changed["timeout_s"]), (&Value::Null, &Value::Null));
    world.end().await;
}

async fn a_list_of_fields_becomes_a_json_schema(delivery: Delivery) {
    let world = calm(delivery).await;
    let list = json!([{"name": "cnpj", "label": "CNPJ", "type": "text", "required": true}, {"name": "mes", "type": "integer"}]);
    let body = json!({"name": "list", "queue_name": world.queue("list"), "script_path": "x", "parameter_schema": list});
    let automation = world.client.automation(&body).await;
    let schema = automation.parameter_schema.clone().unwrap();
    assert_eq!((&schema["type"], &schema["required"]), (&json!("object"), &json!(["cnpj"])));
    assert_eq!(schema["properties"]["cnpj"], json!({"type": "string", "title": "CNPJ"}));
    let path = format!("/api/v1/automations/{}/execute", automation.id);
    let refused = world.client.post(&path, &json!({"mes": "june"})).await.problem(422);
    assert_eq!(refused.errors.len(), 2, "{refused:?}");
    let _job = world.client.post(&path, &json!({"cnpj": "1", "mes": 6})).await.expect(202);
    world.end().await;
}

async fn an_update_changes_what_it_names_and_null_clears(delivery: Delivery) {
    let world = calm(delivery).await;
    let body = json!({"name": "u", "queue_name": world.queue("u"), "script_path": "a", "timeout_s": 5, "max_concurrency": 1,
        "parameter_schema": {"required": ["x"]}, "description": "d", "retry_policy": {"max_attempts": 4}});
    let before = world.client.automation(&body).await;
    let path = format!("/api/v1/automations/{}", before.id);
    let put = async |change: Value| world.client.send(world.client.request(Method::PUT, &path).json(&change)).await;

    let same: Automation = put(json!({})).await.expect(200).json();
    assert_eq!(Automation { updated_at: before.updated_at, ..same }, before, "nothing named, nothing changed");
    let one: Automation = put(json!({"priority": 9})).await.expect(200).json();
    assert_eq!(Automation { updated_at: before.updated_at, priority: before.priority, ..one.clone() }, before);
    assert!(one.priority == 9 && one.updated_at >= before.updated_at);
    let cleared: Automation = put(json!({"timeout_s": null, "max_concurrency": null, "parameter_schema": null})).await.expect(200).json();
    assert_eq!((cleared.timeout_s, cleared.max_concurrency, cleared.parameter_schema.clone()), (None, None, None));
    let _accepted = world.client.post(&format!("{path}/execute"), &json!({})).await.expect(202);
    let refused = put(json!({"priority": 1, "timeout_s": -1})).await.problem(422);
    assert_eq!(refused.errors[0].field, "timeout_s");
    let after: Automation = world.client.get(&path).await.expect(200).json();
    assert_eq!(after, cleared, "a refused change changes nothing");
    world.end().await;
}

async fn a_name_is_taken_only_by_a_live_automation(delivery: Delivery) {
    let world = calm(delivery).await;
    let client = &world.client;
    let body = json!({"name": "same", "queue_name": world.queue("same"), "script_path": "x"});
    let first = client.automation(&body).await;
    assert_eq!(client.post("/api/v1/automations", &body).await.problem(409).code, "name_taken");
    let other = client.automation(&json!({"name": "other", "queue_name": world.queue("o"), "script_path": "x"})).await;
    let rename = client.request(Method::PUT, &format!("/api/v1/automations/{}", other.id)).json(&json!({"name": "same"}));
    assert_eq!(client.send(rename).await.problem(409).code, "name_taken");
    let _gone = client.send(client.request(Method::DELETE, &format!("/api/v1/automations/{}", first.id))).await.expect(200);
    let second = client.automation(&body).await;
    assert_ne!(second.id, first.id);
    world.end().await;
}

async fn lists_are_bare_arrays_in_pages(delivery: Delivery) {
    let world = calm(delivery).await;
    let client = &world.client;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(client.automation(&json!({"name": format!("n{n}"), "queue_name": world.queue("n"), "script_path": "x"})).await.id);
    }
    let _gone = client.send(client.request(Method::DELETE, &format!("/api/v1/automations/{}", ids.remove(0)))).await.expect(200);
    let (mut path, mut found) = ("/api/v1/automations?limit=3".to_owned(), Vec::new());
    loop {
        let answer = client.get(&path).await.expect(200);
        found.extend(answer.json::<Vec<Automation>>().iter().map(|automation| automation.id));
        let Some(link) = answer.headers.get("link") else { break };
        let link = link.to_str().unwrap();
        path = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap().to_owned();
        assert!(path.contains("limit=3"), "{path}");
    }
    assert_eq!(found, ids);
    let all: Vec<Automation> = client.get("/api/v1/automations?archived=true").await.expect(200).json();
    assert_eq!(all.len(), 5);
    for query in ["limit=0", "limit=1001", "limit=-1", "limit=many", "after=x", "archived=perhaps", "page=2"] {
        let problem = client.get(&format!("/api/v1/automations?{query}")).await.problem(400);
        let name = query.split('=').next().unwrap();
        assert!(problem.errors.iter().any(|error| error.field == name), "{query}: {problem:?}");
    }
    let found = async |query: &str| -> Vec<_> {
        let found: Vec<Automation> = client.get(&format!("/api/v1/automations?{query}")).await.expect(200).json();
        found.iter().map(|automation| automation.id).collect()
    };
    assert_eq!((found("name=n3").await, found("name=N3").await, found("name=n0").await), (vec![ids[2]], vec![], vec![]));
    assert_eq!((found("search=N").await, found("search=4&name=n4").await, found("search=%25").await), (ids.clone(), vec![ids[3]], vec![]));
    assert_eq!((found("archived=true&name=n0").await.len(), found("name=").await), (1, vec![]));
    for query in ["name", "search"].map(|name| format!("{name}={}", "é".repeat(201))) {
        let problem = client.get(&format!("/api/v1/automations?{query}")).await.problem(400);
        assert_eq!(fields(&problem), [query.split('=').next().unwrap()]);
    }
    let none: Vec<Job> = client.get("/api/v1/jobs").await.expect(200).json();
    assert_eq!(none, []);
    world.end().await;
}

async fn what_was_read_can_be_sent_back(delivery: Delivery) {
    let world = calm(delivery).await;
    let client = &world.client;
    let body = json!({"name": "r", "queue_name": world.queue("r"), "script_path": "x", "timeout_s": 60, "max_concurrency": 2,
        "rate_limit": {"max": 5, "per_s": 60}, "retry_policy": {"max_attempts": 3, "on": ["PORTAL_DOWN"]}, "requires": ["windows"],
        "parameter_schema": [{"name": "dia", "type": "date"}]});
    let place = format!("/api/v1/automations/{}", client.automation(&body).await.id);
    let _paused = client.post(&format!("{place}/pause"), &json!({"reason": "portal"})).await.expect(200);
    let mut read: Value = client.get(&place).await.expect(200).json();
    let send = async |body: &Value| client.send(client.request(Method::PUT, &place).json(body)).await;
    read["timeout_s"] = json!(90);
    let sent = send(&read).await.expect(200).json::<Value>();
    let mut stored: Value = client.get(&place).await.expect(200).json();
    assert_eq!(sent, stored);
    let again = send(&read).await.problem(409);
    assert_eq!(again.code, "changed_meanwhile", "a concurrent change is not overwritten");
    stored["updated_at"] = read["updated_at"].take();
    read["updated_at"] = stored["updated_at"].clone();
    assert_eq!(stored, read);
    for (name, value) in
        [("id", json!(99)), ("paused_at", json!(null)), ("archived_at", json!("2025-01-01T00:00:00Z")), ("created_at", json!(5))]
    {
        let mut other = stored.clone();
        other.as_object_mut().unwrap().remove("updated_at");
        other[name] = value;
        assert_eq!(fields(&send(&other).await.problem(422)), [name]);
    }
    world.end().await;
}

async fn a_queue_profile_that_is_not_named_is_the_hubs(delivery: Delivery) {
    let world = with(delivery, |settings| settings.dispatch.queue_profile = Some(QueueProfile::Maestro)).await;
    let profile = async |body: Value| world.client.automation(&body).await.queue_profile;
    assert_eq!(profile(json!({"name": "a", "queue_name": world.queue("a"), "script_path": "x"})).await, Some(QueueProfile::Maestro));
    let named = json!({"name": "b", "queue_name": world.queue("b"), "script_path": "x", "queue_profile": "plain"});
    assert_eq!(profile(named).await, Some(QueueProfile::Plain));
    world.end().await;
}
