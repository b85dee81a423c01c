//! What is refused at a hook, how, and what is kept of it.

use e2e::{Options, Shape};

use super::*;
use crate::support::{archived, body_of_any, with};

on_both!(
    what_was_not_promised_is_named,
    whoever_has_no_token_learns_nothing,
    a_proof_is_asked_for_and_nothing_is_kept_without,
    a_hook_is_sent_so_many_requests_a_minute,
    an_archived_automation_and_its_overlap_rule_are_told,
    a_paused_hook_is_to_be_tried_again_and_a_deleted_one_is_gone,
    a_page_of_another_site_needs_the_token_as_well,
);

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

async fn what_was_not_promised_is_named(delivery: Delivery) {
    let world = calm(delivery).await;
    let schema = json!({"type": "object", "properties": {"cnpj": {"type": "string", "pattern": "^[0-9]{14}$"}}, "required": ["cnpj"]});
    let body = json!({"name": "strict", "queue_name": world.queue("strict"), "script_path": "main.py", "parameter_schema": schema});
    let automation = world.client.automation(&body).await;
    let fields_of = json!({
        "mapping": {"cnpj": {"pointer": "/company/cnpj", "required": true}, "source": {"header": "X-Source", "required": true}},
        "dedup": {"pointers": ["/id"]}
    });
    let hook = of_automation(&world, &automation, fields_of).await;
    let good = r#"{"id": 1, "company": {"cnpj": "12345678000195"}}"#;
    let source = [JSON[0], ("x-source", "erp")];
    for (status, headers, body, detail) in [
        (415, &[][..], good, "no Content-Type"),
        (415, &[("content-type", "text/xml")], "<a/>", "text/xml"),
        (415, &[("content-type", "multipart/form-data; boundary=x")], "--x--", "multipart/form-data"),
        (415, &[("content-type", "application/json; charset=iso-8859-1")], good, "UTF-8"),
        (415, &[JSON[0], ("content-encoding", "gzip")], good, "Content-Encoding"),
        (400, &JSON, "{\"id\": 1", "not JSON"),
        (400, &JSON, "", "not JSON"),
        (400, &JSON, "id=1", "not JSON"),
    ] {
        let problem = send(&world.client, &hook, headers, body).await.problem(status);
        assert!(problem.detail.contains(detail), "{body}: {problem:?}");
    }
    for (body, expected) in [
        ("[]", vec!["body/id", "body/company/cnpj", "headers/X-Source"]),
        (r#"{"id": 1, "company": {"cnpj": null}}"#, vec!["body/company/cnpj", "headers/X-Source"]),
    ] {
        assert_eq!(fields(&send(&world.client, &hook, &JSON, body).await.problem(422)), expected, "{body}");
    }
    let problem = send(&world.client, &hook, &source, r#"{"id": 1, "company": {"cnpj": 12345678000195}}"#).await.problem(422);
    assert_eq!(fields(&problem), ["parameters/cnpj"]);
    let deep = send(&world.client, &hook, &source, &format!("{}{}", "[".repeat(200), "]".repeat(200))).await.problem(422);
    assert!(deep.detail.contains("nested"), "{deep:?}");
    let large = format!("{{\"id\": 1, \"text\": \"{}\"}}", "x".repeat(1 << 20));
    assert_eq!(send(&world.client, &hook, &source, &large).await.problem(413).code, "too_large");
    // The same key counts again after a refusal, and a body of the largest size is taken.
    let padded = format!("{good}{}", " ".repeat((1 << 20) - good.len()));
    assert_eq!(handled(send(&world.client, &hook, &source, &padded).await, 202).outcome, Outcome::Accepted);
    let found = deliveries(&world, hook.hook.id).await;
    assert_eq!((found.len(), found.iter().filter(|one| one.outcome == Outcome::Refused).count()), (14, 13));
    assert!(found.iter().skip(1).all(|one| one.reason.is_some() && one.job_id.is_none()), "{found:?}");
    assert_eq!((found[0].body_bytes, jobs(&world, &automation).await), (1 << 20, 1));
    world.end().await;
}

async fn whoever_has_no_token_learns_nothing(delivery: Delivery) {
    let world = with(delivery, |settings| settings.edge.anonymous_per_minute = 12).await;
    let (_, hook) = hook(&world, "secret", json!({})).await;
    let token = hook.token.clone().unwrap();
    let unknown = secrecy::ExposeSecret::expose_secret(&auth::hook_token()).to_owned();
    let mut bodies = Vec::new();
    for wrong in [&unknown, &token[..52], "rgh_", "x", &hook.hook.id.to_string(), &token.to_lowercase()] {
        let answer = send_to(&world.client, wrong, &JSON, "{").await;
        assert_eq!(answer.problem(404).detail, "hook not found", "{wrong}");
        bodies.push(body_of_any(&answer));
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    // Guesses are slowed, wherever they arrive; who has a token is not.
    test_support::eventually("guesses are slowed", async || {
        let answer = send_to(&world.client, &unknown, &JSON, "{}").await;
        (answer.status == 429).then(|| assert!(answer.headers.contains_key("retry-after")))
    })
    .await;
    let _accepted = handled(send(&world.client, &hook, &JSON, "{}").await, 202);
    world.end().await;
}

async fn a_proof_is_asked_for_and_nothing_is_kept_without(delivery: Delivery) {
    let world = calm(delivery).await;
    let (automation, hook) = hook(&world, "proof", pushes_to_main()).await;
    let right = github(PUSH);
    let event = [JSON[0], ("x-github-event", "push"), ("x-github-delivery", "1")];
    for (signature, detail) in [
        (None, "is missing"),
        (Some("sha256=00"), "is wrong"),
        (Some(&right[7..]), "must be sha256="),
        (Some(github("{}").as_str()), "another body"),
    ] {
        let proof = signature.map(|value| ("x-hub-signature-256", value));
        let headers: Vec<_> = event.into_iter().chain(proof).collect();
        let problem = send(&world.client, &hook, &headers, PUSH).await.problem(401);
        assert!(problem.detail.contains(detail) && !problem.detail.contains(&right[7..]), "{problem:?}");
    }
    let found = deliveries(&world, hook.hook.id).await;
    assert_eq!((found.len(), jobs(&world, &automation).await), (4, 0));
    for one in found {
        let path = format!("/api/v1/hooks/{}/deliveries/{}", hook.hook.id, one.id);
        let kept: HookDelivery = world.client.get(&path).await.expect(200).json();
        assert_eq!((kept.outcome, kept.status, kept.body, kept.parameters), (Outcome::Refused, 401, None, None));
        let again = world.client.post(&format!("{path}/redeliver"), &json!({})).await;
        assert_eq!(again.problem(409).code, "body_not_kept", "nobody lets in by hand what was not proved");
    }
    world.end().await;
}

async fn a_hook_is_sent_so_many_requests_a_minute(delivery: Delivery) {
    // Each replica counts for itself.
    let world = World::start_with(
        delivery,
        Options {
            settings: Some(Box::new(|settings| settings.edge.hook_per_minute = 3)),
            only: Some(Shape::Together.only("each orchestrator counts what it is sent")),
            ..Options::default()
        },
    )
    .await;
    let (automation, hook) = hook(&world, "few", json!({})).await;
    for left in ["2", "1", "0"] {
        let answer = send(&world.client, &hook, &JSON, "{}").await.expect(202);
        assert_eq!(answer.headers["ratelimit-remaining"], left);
    }
    let refused = send(&world.client, &hook, &JSON, "{}").await;
    assert_eq!(
        (refused.problem(429).code.as_str(), refused.headers["retry-after"] == "20"),
        ("too_many_requests", true),
        "{:?}",
        refused.headers
    );
    let other = of_automation(&world, &automation, json!({})).await;
    let _other = handled(send(&world.client, &other, &JSON, "{}").await, 202);
    assert_eq!(deliveries(&world, hook.hook.id).await.len(), 3, "what is too much costs no row");
    world.end().await;
}

async fn an_archived_automation_and_its_overlap_rule_are_told(delivery: Delivery) {
    let world = calm(delivery).await;
    let body = json!({"name": "single", "queue_name": world.queue("single"), "script_path": "main.py", "overlap": "skip"});
    let automation = world.client.automation(&body).await;
    let hook = of_automation(&world, &automation, json!({"dedup": {"pointers": ["/id"]}})).await;
    let first = handled(send(&world.client, &hook, &JSON, r#"{"id": 1}"#).await, 202);
    let skipped = handled(send(&world.client, &hook, &JSON, r#"{"id": 2}"#).await, 200);
    assert_eq!((skipped.outcome, skipped.job_id), (Outcome::Skipped, None));
    let _archived =
        world.client.send(world.client.request(Method::DELETE, &format!("/api/v1/automations/{}", automation.id))).await.expect(200);
    archived(&world, &automation).await;
    let refused = send(&world.client, &hook, &JSON, r#"{"id": 3}"#).await.problem(409);
    assert_eq!(refused.code, "automation_archived");
    let again = handled(send(&world.client, &hook, &JSON, r#"{"id": 1}"#).await, 202);
    assert_eq!((again.outcome, again.job_id), (Outcome::Duplicate, first.job_id), "what has a job is answered with it");
    let outcomes: Vec<_> = deliveries(&world, hook.hook.id).await.into_iter().map(|one| (one.outcome, one.status)).collect();
    let expected = [(Outcome::Duplicate, 202), (Outcome::Refused, 409), (Outcome::Skipped, 200), (Outcome::Accepted, 202)];
    assert_eq!(outcomes, expected);
    let body = json!({"automation_id": automation.id, "name": "late"});
    assert_eq!(world.client.post("/api/v1/hooks", &body).await.problem(409).code, "automation_archived");
    world.end().await;
}

async fn a_paused_hook_is_to_be_tried_again_and_a_deleted_one_is_gone(delivery: Delivery) {
    let world = calm(delivery).await;
    let (_, hook) = hook(&world, "pauses", json!({})).await;
    let path = format!("/api/v1/hooks/{}", hook.hook.id);
    let paused: api_types::Hook = world.client.post(&format!("{path}/pause"), &json!({})).await.expect(200).json();
    assert_eq!(paused.paused_by.as_deref(), Some("admin"));
    let refused = send(&world.client, &hook, &JSON, "{}").await;
    assert_eq!((refused.problem(503).code.as_str(), &refused.headers["retry-after"]), ("hook_paused", &"60".parse().unwrap()));
    let _resumed = world.client.post(&format!("{path}/resume"), &json!({})).await.expect(200);
    let _accepted = handled(send(&world.client, &hook, &JSON, "{}").await, 202);
    let _gone = world.client.send(world.client.request(Method::DELETE, &path)).await.expect(204);
    assert_eq!(send(&world.client, &hook, &JSON, "{}").await.problem(404).detail, "hook not found");
    assert_eq!(world.client.get(&path).await.status, 404);
    world.end().await;
}

async fn a_page_of_another_site_needs_the_token_as_well(delivery: Delivery) {
    let world = calm(delivery).await;
    let (_, hook) = hook(&world, "pages", json!({})).await;
    let headers = [JSON[0], ("origin", "https://elsewhere.example"), ("cookie", "session=x")];
    let _accepted = handled(send(&world.client, &hook, &headers, "{}").await, 202);
    assert_eq!(send_to(&world.client, "rgh_x", &headers, "{}").await.status, 404);
    world.end().await;
}
