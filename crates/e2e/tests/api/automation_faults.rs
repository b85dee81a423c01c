//! Input that is refused says which field is wrong, and leaves nothing behind.

use api_types::Automation;
use e2e::Delivery;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{calm, fields};

/// What is laid over a fine registration, and the fields that are then named.
fn faults() -> Vec<(Value, Vec<&'static str>)> {
    vec![
        (json!({"name": ""}), vec!["name"]),
        (json!({"name": "   "}), vec!["name"]),
        (json!({"name": "x".repeat(201)}), vec!["name"]),
        (json!({"name": "a\u{0}b"}), vec!["name"]),
        (json!({"name": "a\nb"}), vec!["name"]),
        (json!({"name": 3}), vec!["name"]),
        (json!({"description": "a\u{0}"}), vec!["description"]),
        (json!({"description": []}), vec!["description"]),
        (json!({"queue_name": ""}), vec!["queue_name"]),
        (json!({"queue_name": "amq.direct"}), vec!["queue_name"]),
        (json!({"queue_name": "regente.events"}), vec!["queue_name"]),
        (json!({"queue_name": "q".repeat(201)}), vec!["queue_name"]),
        (json!({"queue_name": "q\u{0}"}), vec!["queue_name"]),
        (json!({"queue_name": " q"}), vec!["queue_name"]),
        (json!({"queue_name": "*"}), vec!["queue_name"]),
        (json!({"queue_profile": "exotic"}), vec!["queue_profile"]),
        (json!({"entrypoint_type": "COBOL"}), vec!["entrypoint_type"]),
        (json!({"script_path": "a\u{0}b"}), vec!["script_path"]),
        (json!({"script_path": "x".repeat(1025)}), vec!["script_path"]),
        (json!({"priority": -1}), vec!["priority"]),
        (json!({"priority": 10}), vec!["priority"]),
        (json!({"priority": 1.5}), vec!["priority"]),
        (json!({"priority": "high"}), vec!["priority"]),
        (json!({"timeout_s": 0}), vec!["timeout_s"]),
        (json!({"timeout_s": -5}), vec!["timeout_s"]),
        (json!({"timeout_s": i64::MAX}), vec!["timeout_s"]),
        (json!({"timeout_s": u64::MAX}), vec!["timeout_s"]),
        (json!({"max_concurrency": 0}), vec!["max_concurrency"]),
        (json!({"max_concurrency": -3}), vec!["max_concurrency"]),
        (json!({"max_concurrency": 100_001}), vec!["max_concurrency"]),
        (json!({"retry_policy": {"max_attempts": 0}}), vec!["retry_policy/max_attempts"]),
        (json!({"retry_policy": {"max_attempts": 101}}), vec!["retry_policy/max_attempts"]),
        (json!({"retry_policy": {"max_attempts": "two"}}), vec!["retry_policy/max_attempts"]),
        (json!({"retry_policy": {"base_s": -1}}), vec!["retry_policy/base_s"]),
        (json!({"retry_policy": {"max_s": 1e9}}), vec!["retry_policy/max_s"]),
        (json!({"retry_policy": {"jitter": 2, "base_s": -1}}), vec!["retry_policy/base_s", "retry_policy/jitter"]),
        (json!({"retry_policy": {"backoff": "wild"}}), vec!["retry_policy/backoff"]),
        (json!({"retry_policy": {"atempts": 2}}), vec!["retry_policy/atempts"]),
        (json!({"retry_policy": {"on": ["PORTAL_DWON"]}}), vec!["retry_policy/on"]),
        (json!({"retry_policy": {"never_on": [7]}}), vec!["retry_policy/never_on/0"]),
        (json!({"parameter_schema": [{"name": "a", "type": "list", "itemType": 7}]}), vec!["parameter_schema/0/itemType"]),
        (json!({"queue_timeout_s": 0}), vec!["queue_timeout_s"]),
        (json!({"queue_timeout_s": -1}), vec!["queue_timeout_s"]),
        (json!({"queue_timeout_s": 2_592_001}), vec!["queue_timeout_s"]),
        (json!({"cancel_grace_s": -1}), vec!["cancel_grace_s"]),
        (json!({"cancel_grace_s": 3601}), vec!["cancel_grace_s"]),
        (json!({"cancel_grace_s": 0.5}), vec!["cancel_grace_s"]),
        (json!({"concurrency_key": ""}), vec!["concurrency_key"]),
        (json!({"concurrency_key": "portal:{cnpj"}), vec!["concurrency_key"]),
        (json!({"concurrency_key": "portal:}"}), vec!["concurrency_key"]),
        (json!({"concurrency_key": "{}"}), vec!["concurrency_key"]),
        (json!({"concurrency_key": "a\u{0}"}), vec!["concurrency_key"]),
        (json!({"concurrency_key": "x".repeat(257)}), vec!["concurrency_key"]),
        (json!({"concurrency_key": ["cnpj"]}), vec!["concurrency_key"]),
        (json!({"concurrency_key_limit": 0}), vec!["concurrency_key_limit"]),
        (json!({"concurrency_key_limit": 10_001}), vec!["concurrency_key_limit"]),
        (json!({"rate_limit": {"max": 0, "per_s": 1}}), vec!["rate_limit/max"]),
        (json!({"rate_limit": {"max": -1, "per_s": 1}}), vec!["rate_limit/max"]),
        (json!({"rate_limit": {"max": 100_001, "per_s": 0}}), vec!["rate_limit/max", "rate_limit/per_s"]),
        (json!({"rate_limit": {"max": 1, "per_s": 86_401}}), vec!["rate_limit/per_s"]),
        (json!({"rate_limit": {"max": 1, "per_s": "minute"}}), vec!["rate_limit/per_s"]),
        (json!({"rate_limit": {"max": 1}}), vec!["rate_limit/per_s"]),
        (json!({"rate_limit": {"max": 1, "per_s": 1, "burst": 2}}), vec!["rate_limit/burst"]),
        (json!({"rate_limit": 5}), vec!["rate_limit"]),
        (json!({"overlap": "merge"}), vec!["overlap"]),
        (json!({"on_worker_lost": "ignore"}), vec!["on_worker_lost"]),
        (json!({"requires": ["sap", ""]}), vec!["requires/1"]),
        (json!({"requires": ["a b"]}), vec!["requires/0"]),
        (json!({"requires": ["x".repeat(65)]}), vec!["requires/0"]),
        (json!({"requires": (0..21).map(|n| format!("l{n}")).collect::<Vec<_>>()}), vec!["requires"]),
        (json!({"requires": [1]}), vec!["requires/0"]),
        (json!({"requires": "sap"}), vec!["requires"]),
        (json!({"display": "yes"}), vec!["display"]),
        (json!({"cpu_limit": 0}), vec!["cpu_limit"]),
        (json!({"cpu_limit": -1}), vec!["cpu_limit"]),
        (json!({"cpu_limit": 1025}), vec!["cpu_limit"]),
        (json!({"memory_limit_bytes": 1_048_575}), vec!["memory_limit_bytes"]),
        (json!({"memory_limit_bytes": -1}), vec!["memory_limit_bytes"]),
        (json!({"memory_limit_bytes": (1_i64 << 53) + 1}), vec!["memory_limit_bytes"]),
        (
            json!({"requires": ["é"], "concurrency_key": "{", "queue_timeout_s": 0, "cpu_limit": 0, "priority": 99}),
            vec!["concurrency_key", "requires/0", "priority", "queue_timeout_s", "cpu_limit"],
        ),
        (json!({"paused_at": "2025-01-01T00:00:00Z"}), vec!["paused_at"]),
        (json!({"rate_limit_tat": null}), vec!["rate_limit_tat"]),
        (json!({"default_params": [1]}), vec!["default_params"]),
        (json!({"default_params": {"a": {"b": ["x\u{0}"]}}}), vec!["default_params/a/b/0"]),
        (json!({"parameter_schema": 5}), vec!["parameter_schema"]),
        (json!({"parameter_schema": {"type": "nonsense"}}), vec!["parameter_schema/type"]),
        (json!({"parameter_schema": {"properties": {"a": {"minimum": "x"}}}}), vec!["parameter_schema/properties/a/minimum"]),
        (json!({"parameter_schema": {"title": "a\u{0}"}}), vec!["parameter_schema/title"]),
        (
            json!({"parameter_schema": [{"label": "no name"}, {"name": "a", "type": 7}]}),
            vec!["parameter_schema/0/name", "parameter_schema/1/type"],
        ),
        (json!({"scriptpath": "x"}), vec!["scriptpath"]),
        (json!({"priority": 11, "timeout_s": 0, "name": ""}), vec!["name", "priority", "timeout_s"]),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_names_its_field() {
    let world = calm(Delivery::Pull).await;
    let client = &world.client;
    let fine = json!({"name": "fine", "queue_name": "q", "script_path": "main.py"});
    let stored = client.automation(&fine).await;
    for (over, named) in faults() {
        let mut body = json!({"name": "new", "queue_name": "q", "script_path": "main.py"});
        body.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        let problem = client.post("/api/v1/automations", &body).await.problem(422);
        assert_eq!(fields(&problem), named, "create with {over}: {problem:?}");
        assert!(named.iter().all(|field| problem.detail.contains(field)), "the detail names it too: {}", problem.detail);
        let change = client.request(Method::PUT, &format!("/api/v1/automations/{}", stored.id)).json(&over);
        let problem = client.send(change).await.problem(422);
        assert_eq!(fields(&problem), named, "update with {over}: {problem:?}");
    }
    for (body, field) in [
        (r#"{"script_path":"x"}"#, "name"),
        (r#"{"name":"a","name":"b"}"#, "name"),
        (r#"{"name":"a","retry_policy":{"jitter":0,"jitter":1}}"#, "retry_policy/jitter"),
    ] {
        let problem = client.send(client.request(Method::POST, "/api/v1/automations").body(body)).await.problem(422);
        assert_eq!(fields(&problem), [field], "{body}: {problem:?}");
    }
    let all: Vec<Automation> = client.get("/api/v1/automations").await.expect(200).json();
    assert_eq!(all, [stored], "nothing is half written");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_not_json_is_a_bad_request() {
    let world = calm(Delivery::Pull).await;
    for (body, status) in
        [("", 400), ("{", 400), ("{\"name\":\"x\"", 400), ("nonsense", 400), ("{} {}", 422), ("[]", 422), ("\"x\"", 422), ("7", 422)]
    {
        let answer = world.client.send(world.client.request(Method::POST, "/api/v1/automations").body(body)).await;
        assert_eq!(answer.problem(status).status, status, "{body}");
    }
    let deep = format!("{{\"name\":\"x\",\"default_params\":{}{}}}", "{\"a\":".repeat(500), "}".repeat(500));
    let answer = world.client.send(world.client.request(Method::POST, "/api/v1/automations").body(deep)).await;
    assert!(answer.status.is_client_error(), "{}", answer.text);
    world.end().await;
}
