//! The description of the API, and health.

use api_types::Health;
use domain::health;
use e2e::{Delivery, Shape, on_both};
use reqwest::Method;
use serde_json::Value;

use crate::support::{calm, with_only};

on_both!(health_is_public);

async fn health_is_public(delivery: Delivery) {
    let world = calm(delivery).await;
    let broker = if delivery == Delivery::Queue { health::Broker::Ok } else { health::Broker::None };
    let ask = async || -> Health { world.client.send(world.client.bare(Method::GET, "/api/v1/health")).await.expect(200).json() };
    let well = async || Some(ask().await).filter(|health| health.status == health::Status::Ok);
    let health = test_support::eventually("the hub is well", well).await;
    assert_eq!((health.database, health.broker), (health::Database::Ok, broker));
    assert!(!health.version.is_empty());
    for path in ["/health/live", "/health/ready"] {
        let answer = world.client.send(world.client.bare(Method::GET, path)).await.expect(200);
        assert_eq!(answer.json::<Value>()["status"], "ok", "{path}");
    }
    world.end().await;
}

const REGENERATE: &str =
    "docs/openapi.json is not what the hub serves; write it again with: cargo run -p regente -- openapi > docs/openapi.json";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_description_is_the_committed_one() {
    let only = Shape::Together.only("a gateway adds to the services' descriptions what it answers in their place");
    let world = with_only(only, Delivery::Pull, |_| {}).await;
    let answer = world.client.send(world.client.bare(Method::GET, "/api/v1/openapi.json")).await.expect(200);
    assert_eq!(answer.headers["content-type"], "application/json");
    let served: Value = answer.json();
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json")).expect(REGENERATE);
    let committed: Value = serde_json::from_str(&committed).expect(REGENERATE);
    assert!(served == committed, "{REGENERATE}");
    world.end().await;
}

#[test]
fn each_operation_documents_its_refusals() {
    let doc = serde_json::to_value(regente::api_doc()).unwrap();
    let mut faults = Vec::new();
    for (path, operations) in doc["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = format!("{method} {path}");
            let mut want = |fine: bool, what: String| {
                if !fine {
                    faults.push(format!("{name}: {what}"));
                }
            };
            let responses = operation["responses"].as_object().unwrap();
            let open = ["/api/v1/health", "/health/live", "/health/ready", "/metrics", "/api/v1/openapi.json"].contains(&path.as_str());
            // Of browsers, which are asked who they are elsewhere.
            let asks_nobody = open || ["/providers", "/oidc/start", "/oidc/callback"].iter().any(|end| path.ends_with(end));
            let has_body = operation.get("requestBody").is_some();
            let has_id = path.contains("{id}");
            let has_query = operation["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["in"] == "query"));
            for (status, needed) in [
                ("401", !asks_nobody),
                ("404", path.contains('{')),
                ("400", has_id || has_body || has_query),
                ("422", has_body),
                ("413", has_body),
            ] {
                want(!needed || responses.contains_key(status), format!("{status} is not documented"));
            }
            for (status, response) in responses.iter().filter(|(status, _)| status.starts_with('4') || (status.starts_with('5') && !open)) {
                let schema =
                    response["content"].as_object().and_then(|content| content.values().next()).map(|media| &media["schema"]["$ref"]);
                want(schema.is_some_and(|schema| schema == "#/components/schemas/Problem"), format!("{status} has no problem body"));
                let kinds: Vec<_> = response["content"].as_object().into_iter().flatten().map(|(kind, _)| kind.as_str()).collect();
                want(kinds == ["application/problem+json"], format!("{status} is documented as {kinds:?}"));
            }
            want(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "no summary".into());
            let guarded = operation["security"].as_array().is_some_and(|all| !all.is_empty());
            let signs_in =
                ["/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/oidc/token", "/auth/token"].contains(&path.as_str());
            // By the token in its path.
            let is_to_hook = path == "/api/v1/hooks/{hook}" && method == "post";
            want(asks_nobody || signs_in || is_to_hook || guarded, "does not say what credentials it needs".into());
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Generated clients name their functions by these ids.
#[test]
fn each_operation_has_an_id_of_its_own() {
    let doc = serde_json::to_value(regente::api_doc()).unwrap();
    let operations = doc["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let mut ids = std::collections::BTreeSet::new();
    for operation in operations {
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("an operation has no id: {operation}"));
        let subject = operation["tags"][0].as_str().unwrap().replace(' ', "_");
        let action = id.strip_prefix(&format!("{subject}_")).unwrap_or_default();
        assert!(!action.is_empty() && action.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{id} of {subject}");
        assert!(ids.insert(id), "two operations are named {id}");
    }
    assert!(ids.contains("jobs_list") && ids.contains("automations_create"));
}

#[test]
fn each_reference_leads_to_a_component_and_each_example_fits_its_schema() {
    let doc = serde_json::to_value(regente::api_doc()).unwrap();
    let mut references = Vec::new();
    collect_references(&doc, &mut references);
    for reference in references {
        assert!(doc.pointer(reference.trim_start_matches('#')).is_some(), "{reference} leads nowhere");
    }
    for (name, schema) in doc["components"]["schemas"].as_object().unwrap() {
        let Some(example) = schema.get("example") else { continue };
        let whole = serde_json::json!({"$ref": format!("#/components/schemas/{name}"), "components": doc["components"]});
        let validator = jsonschema::options().should_validate_formats(true).build(&whole).unwrap();
        let faults: Vec<_> = validator.iter_errors(example).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "the example of {name}: {faults:?}");
    }
}

/// What people copy first: the bodies that they send, and the resources that come back.
#[test]
fn each_body_that_is_sent_and_each_resource_has_an_example() {
    let doc = serde_json::to_value(regente::api_doc()).unwrap();
    let bodies = doc["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let bodies = bodies.filter_map(|operation| operation.pointer("/requestBody/content/application~1json"));
    let mut without = Vec::new();
    for body in bodies.filter(|body| body.get("example").is_none()) {
        let mut references = Vec::new();
        collect_references(body, &mut references);
        assert!(!references.is_empty(), "a body has neither an example nor a schema with one: {body}");
        without.extend(references.into_iter().map(str::to_owned));
    }
    without.extend(["Job", "Automation", "Worker", "Queue", "Health", "Problem"].map(|name| format!("#/components/schemas/{name}")));
    without.retain(|reference| doc.pointer(&format!("{}/example", reference.trim_start_matches('#'))).is_none());
    assert!(without.is_empty(), "without an example: {without:?}");
}

fn collect_references<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            into.extend(object.get("$ref").and_then(Value::as_str));
            object.values().for_each(|value| collect_references(value, into));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, into)),
        _ => {}
    }
}
