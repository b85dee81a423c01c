//! Chains as people create, change, list and delete them.

use std::time::Duration;

use api_types::{AuditEntry, AutomationArchived, Chain, ChainRun, EventFilter};
use client::LiveEvent;
use e2e::{Delivery, on_both};
use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::eventually;

use super::{CHAINS, ask, completed, create, decided, get, path, put, run};
use crate::{
    grants::{domain, grant, user},
    support::{archived, automation, calm, fields},
};

on_both!(
    a_chain_is_created_changed_and_deleted,
    what_a_chain_cannot_be_is_named_by_field,
    a_circle_is_refused_with_its_way,
    lists_are_filtered_and_come_in_pages,
    who_may_not_publish_an_automation_reads_its_chains_at_most,
    an_archived_automation_names_its_chains_and_hooks,
    what_becomes_of_a_chain_is_an_event,
);

async fn a_chain_is_created_changed_and_deleted(delivery: Delivery) {
    let world = calm(delivery).await;
    let (a, b) = (automation(&world, "a").await, automation(&world, "b").await);
    let answer = ask(&world, (&[&a], &b), json!({"name": "  after a "})).await.expect(201);
    let made: Chain = answer.json();
    assert_eq!(answer.headers["location"].to_str().unwrap(), path(&made));
    assert_eq!((made.name.as_str(), made.automation_name.as_str(), made.timezone.as_str()), ("after a", "b", "America/Sao_Paulo"));
    assert_eq!(
        (made.inputs[0].automation_name.as_deref(), made.inputs[0].on.as_str(), made.join.as_str()),
        (Some("a"), "completed", "any")
    );
    assert_eq!((made.enabled, made.state.as_str(), made.state_reason, made.revision), (true, "active", None, 1));

    let back = serde_json::to_value(get(&world, &made).await).unwrap();
    let same: Chain = put(&world, &made, &back).await.expect(200).json();
    assert_eq!((same.revision, same.since_at, &same.inputs), (2, made.since_at, &made.inputs));
    assert_eq!(put(&world, &made, &back).await.problem(409).code, "changed_meanwhile");
    let change = json!({"not_before": "07:30", "timezone": "Europe/Lisbon", "parameters": {"x": 1}, "revision": 2});
    let changed: Chain = put(&world, &made, &change).await.expect(200).json();
    assert_eq!(
        (changed.not_before.as_deref(), changed.timezone.as_str(), changed.since_at),
        (Some("07:30"), "Europe/Lisbon", made.since_at)
    );
    let other: Chain =
        put(&world, &made, &json!({"not_before": null, "inputs": [{"automation_id": a.id, "on": "any"}]})).await.expect(200).json();
    assert!(other.not_before.is_none() && other.since_at > made.since_at, "other ends count from now on: {other:?}");
    let moved = put(&world, &made, &json!({"automation_id": a.id})).await.problem(422);
    assert_eq!(fields(&moved), ["automation_id"]);
    assert_eq!(ask(&world, (&[&a], &b), json!({"name": "after a"})).await.problem(409).code, "name_taken");

    let delete = world.client.request(Method::DELETE, &path(&made));
    assert_eq!(world.client.send(delete).await.expect(204).text, "");
    assert_eq!(world.client.get(&path(&made)).await.problem(404).code, "not_found");
    assert_eq!(world.client.get(&format!("{}/runs", path(&made))).await.problem(404).code, "not_found");
    let entries: Vec<AuditEntry> =
        world.client.get(&format!("/api/v1/audit?target_kind=chain&target_id={}", made.id)).await.expect(200).json();
    let actions: Vec<_> = entries.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["chain.delete", "chain.update", "chain.update", "chain.update", "chain.create"]);
    world.end().await;
}

async fn what_a_chain_cannot_be_is_named_by_field(delivery: Delivery) {
    let world = calm(delivery).await;
    let (a, b) = (automation(&world, "a").await, automation(&world, "b").await);
    let gone = automation(&world, "gone").await;
    let archive = world.client.request(Method::DELETE, &format!("/api/v1/automations/{}", gone.id));
    let _archived = world.client.send(archive).await.expect(200);
    let input = |more: Value| {
        let mut input = json!({"automation_id": a.id});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"inputs": [input]})
    };
    let condition = |condition: Value| input(json!({"condition": condition}));
    for (more, field, part) in [
        (json!({"inputs": []}), "inputs", "1 to 50"),
        (json!({"inputs": [{"automation_id": 999_999}]}), "inputs/0/automation_id", "there is no automation 999999"),
        (json!({"inputs": [{"automation_id": gone.id}]}), "inputs/0/automation_id", "\"gone\" is archived"),
        (json!({"inputs": [{"automation_id": a.id}, {"automation_id": a.id}]}), "inputs/1/automation_id", "the same"),
        (json!({"inputs": [{"automation_id": b.id}]}), "inputs/0/automation_id", "circle"),
        (input(json!({"on": "sometimes"})), "inputs/0/on", "completed, failed, any"),
        (input(json!({"when": "x"})), "inputs/0/when", "unknown field"),
        (condition(json!({"pointer": "count", "operator": "gt", "value": 0})), "inputs/0/condition/pointer", "begins with a slash: /count"),
        (condition(json!({"pointer": "/count", "operator": "gt"})), "inputs/0/condition/value", "is required"),
        (condition(json!({"pointer": "/count", "operator": "more", "value": 0})), "inputs/0/condition/operator", "eq, ne"),
        (condition(json!({"pointer": "/a", "operator": "eq", "value": "x\u{0}"})), "inputs/0/condition/value", "NUL"),
        (json!({"join": "some"}), "join", "any, all, all_today"),
        (json!({"not_before": "7h30"}), "not_before", "such as 07:30"),
        (json!({"timezone": "America/Sao Paulo"}), "timezone", "did you mean America/Sao_Paulo"),
        (json!({"name": " "}), "name", "1 to 200"),
        (json!({"name": "a\u{202e}b"}), "name", "invisible"),
        (json!({"parameters": {"a": "x\u{0}"}}), "parameters/a", "NUL"),
        (json!({"parameters": {"a": "x".repeat(1 << 20)}}), "parameters", "1048576 are allowed"),
        (json!({"parameters_from": [{"parameter": "p", "pointer": "x"}]}), "parameters_from/0/pointer", "slash"),
        (json!({"parameters_from": [{"parameter": "", "pointer": ""}]}), "parameters_from/0/parameter", "1 to 200"),
        (
            json!({"parameters_from": [{"parameter": "p", "pointer": "", "automation_id": b.id}]}),
            "parameters_from/0/automation_id",
            "none of",
        ),
        (json!({"waits": true}), "waits", "unknown field"),
    ] {
        let problem = ask(&world, (&[&a], &b), more.clone()).await.problem(422);
        assert!(fields(&problem).contains(&field) && problem.detail.contains(part), "{more}: {problem:?}");
    }
    assert_eq!(ask(&world, (&[&a], &gone), json!({})).await.problem(409).code, "automation_archived");
    let missing = json!({"automation_id": 999_999, "name": "n", "inputs": [{"automation_id": a.id}]});
    assert_eq!(world.client.post(CHAINS, &missing).await.problem(404).code, "not_found");
    let none: Vec<Chain> = world.client.get(CHAINS).await.expect(200).json();
    assert!(none.is_empty(), "nothing was half written");
    let long = "x".repeat(201);
    for query in ["?limit=0", "?after=x", "?what=1", "?input_id=x", &format!("?name={long}")] {
        let _refused = world.client.get(&format!("{CHAINS}{query}")).await.problem(400);
    }
    let chain = create(&world, (&a, &b), json!({})).await;
    for query in ["?limit=1001", "?after=x", "?state=gone"] {
        let _refused = world.client.get(&format!("{}/runs{query}", path(&chain))).await.problem(400);
    }
    // An input that was archived later does not keep others from being changed.
    let archive = world.client.request(Method::DELETE, &format!("/api/v1/automations/{}", a.id));
    let _archived = world.client.send(archive).await.expect(200);
    let renamed: Chain = put(&world, &chain, &json!({"name": "renamed"})).await.expect(200).json();
    assert_eq!((renamed.state.as_str(), renamed.state_reason.map(|reason| reason.as_str())), ("blocked", Some("input_archived")));
    world.end().await;
}

async fn a_circle_is_refused_with_its_way(delivery: Delivery) {
    let world = calm(delivery).await;
    let (a, b, c) = (automation(&world, "first").await, automation(&world, "second").await, automation(&world, "third").await);
    let _one = create(&world, (&a, &b), json!({})).await;
    let two = create(&world, (&b, &c), json!({"enabled": false})).await;
    let refused = ask(&world, (&[&c], &a), json!({})).await.problem(422);
    assert_eq!(fields(&refused), ["inputs/0/automation_id"]);
    assert!(refused.detail.contains("\"first\" → \"second\" → \"third\" → \"first\""), "{refused:?}");
    let onto_itself = ask(&world, (&[&a], &a), json!({})).await.problem(422);
    assert!(onto_itself.detail.contains("\"first\" → \"first\""), "{onto_itself:?}");
    let changed = put(&world, &two, &json!({"inputs": [{"automation_id": b.id}, {"automation_id": c.id}]})).await.problem(422);
    assert_eq!(fields(&changed), ["inputs/1/automation_id"]);
    // At the same moment, each without the other's: one of them is too late.
    let (d, e) = (automation(&world, "d").await, automation(&world, "e").await);
    let both = futures_util::future::join(ask(&world, (&[&d], &e), json!({})), ask(&world, (&[&e], &d), json!({}))).await;
    let mut statuses = [both.0.status.as_u16(), both.1.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 422]);
    world.end().await;
}

async fn lists_are_filtered_and_come_in_pages(delivery: Delivery) {
    let world = calm(delivery).await;
    let (a, b, c) = (automation(&world, "a").await, automation(&world, "b").await, automation(&world, "c").await);
    let first = create(&world, (&a, &b), json!({"name": "one"})).await;
    let _second = create(&world, (&b, &c), json!({"name": "two"})).await;
    let third = create(&world, (&a, &c), json!({"name": "three"})).await;
    let names = async |query: &str| {
        let found: Vec<Chain> = world.client.get(&format!("{CHAINS}{query}")).await.expect(200).json();
        found.into_iter().map(|chain| chain.name).collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["one", "two", "three"]);
    assert_eq!(names(&format!("?automation_id={}", c.id)).await, ["two", "three"]);
    assert_eq!(names(&format!("?input_id={}", a.id)).await, ["one", "three"]);
    assert_eq!(names("?name=two").await, ["two"]);
    let page = world.client.get(&format!("{CHAINS}?limit=2")).await.expect(200);
    assert!(page.headers["link"].to_str().unwrap().contains("rel=\"next\""));
    assert_eq!(names(&format!("?limit=2&after={}", first.id)).await, ["two", "three"]);

    for n in 0..3 {
        let _ended = run(&world, &a, completed(json!({"n": n}))).await;
    }
    let all = decided(&world, &third, 3).await;
    let mut paged: Vec<ChainRun> = Vec::new();
    let mut next = Some(format!("{}/runs?limit=2", path(&third)));
    while let Some(at) = next.take() {
        let answer = world.client.get(&at).await.expect(200);
        paged.extend(answer.json::<Vec<ChainRun>>());
        let link = answer.headers.get("link").map(|link| link.to_str().unwrap().to_owned());
        next = link.and_then(|link| Some(link.split_once('<')?.1.split_once('>')?.0.to_owned()));
    }
    paged.reverse();
    assert_eq!(paged, all);
    world.end().await;
}

async fn who_may_not_publish_an_automation_reads_its_chains_at_most(delivery: Delivery) {
    let world = calm(delivery).await;
    let (finance, sales) = (domain(&world, "finance").await, domain(&world, "sales").await);
    let owned = async |name: &str, domain: &api_types::Domain| {
        let body = json!({"name": name, "queue_name": world.queue(name), "script_path": "main.py", "domain_id": domain.id});
        world.client.automation(&body).await
    };
    let (mine, other, theirs) = (owned("mine", &finance).await, owned("other", &finance).await, owned("theirs", &sales).await);
    let own = create(&world, (&theirs, &mine), json!({"name": "own"})).await;
    let foreign = create(&world, (&mine, &theirs), json!({"name": "foreign", "inputs": [{"automation_id": other.id}]})).await;
    let (ana, token) = user(&world, "ana").await;
    grant(&world, &ana, json!({"right": "maintainer", "domain_id": finance.id})).await;
    let send = async |method: Method, path: String, body: Value| {
        let request = world.client.bare(method.clone(), &path).bearer_auth(&token);
        world.client.send(if body.is_null() { request } else { request.json(&body) }).await
    };
    world.everywhere("the grant counts", async || send(Method::GET, path(&own), Value::Null).await.status == 200).await;
    let listed: Vec<Chain> = send(Method::GET, CHAINS.to_owned(), Value::Null).await.expect(200).json();
    assert_eq!(listed.iter().map(|chain| chain.name.as_str()).collect::<Vec<_>>(), ["own"]);
    assert_eq!((listed[0].inputs[0].automation_id, listed[0].inputs[0].automation_name.as_deref()), (theirs.id, None));
    // Its results would become parameters: what the caller does not see cannot be waited for, not even by a chain that somebody else made.
    let peek = json!({"parameters_from": [{"parameter": "p", "pointer": ""}]});
    let refused = send(Method::PUT, path(&own), peek).await.problem(422);
    assert_eq!(fields(&refused), ["inputs/0/automation_id"]);
    let new = |target: i32, input: i32| json!({"automation_id": target, "name": "new", "inputs": [{"automation_id": input}]});
    let hidden = send(Method::POST, CHAINS.to_owned(), new(mine.id.get(), theirs.id.get())).await.problem(422);
    assert!(hidden.detail.contains(&format!("there is no automation {}", theirs.id)), "{hidden:?}");
    // The way of a circle names what the caller sees.
    let circle = send(Method::POST, CHAINS.to_owned(), new(other.id.get(), mine.id.get())).await.problem(422);
    assert!(circle.detail.contains(&format!("\"other\" → automation {} → \"mine\" → \"other\"", theirs.id)), "{circle:?}");
    for (method, what, body, status) in [
        (Method::GET, path(&foreign), Value::Null, 404),
        (Method::GET, format!("{}/runs", path(&foreign)), Value::Null, 404),
        (Method::PUT, path(&foreign), json!({"name": "x"}), 404),
        (Method::DELETE, path(&foreign), Value::Null, 404),
        (Method::POST, format!("{}/disable", path(&foreign)), json!({}), 404),
        (Method::POST, CHAINS.to_owned(), new(theirs.id.get(), mine.id.get()), 404),
        (Method::POST, format!("{}/disable", path(&own)), json!({}), 200),
    ] {
        assert_eq!(send(method.clone(), what.clone(), body).await.status, status, "{method} {what}");
    }
    grant(&world, &ana, json!({"right": "viewer"})).await;
    world.everywhere("the viewer sees", async || send(Method::GET, path(&foreign), Value::Null).await.status == 200).await;
    for (method, what, body) in [
        (Method::PUT, path(&foreign), json!({"name": "x"})),
        (Method::DELETE, path(&foreign), Value::Null),
        (Method::POST, format!("{}/enable", path(&foreign)), json!({})),
        (Method::POST, CHAINS.to_owned(), new(theirs.id.get(), mine.id.get())),
    ] {
        assert_eq!(send(method.clone(), what.clone(), body).await.status, 403, "{method} {what}");
    }
    world.end().await;
}

async fn an_archived_automation_names_its_chains_and_hooks(delivery: Delivery) {
    let world = calm(delivery).await;
    let (a, b, c) = (automation(&world, "a").await, automation(&world, "b").await, automation(&world, "c").await);
    let (into, out) = (create(&world, (&a, &b), json!({"name": "into"})).await, create(&world, (&b, &c), json!({"name": "out"})).await);
    let _elsewhere = create(&world, (&a, &c), json!({"name": "elsewhere"})).await;
    let hook = world.client.post("/api/v1/hooks", &json!({"automation_id": b.id, "name": "push"})).await.expect(201);
    let hook = hook.json::<api_types::HookShown>().hook;
    let archive = world.client.request(Method::DELETE, &format!("/api/v1/automations/{}", b.id));
    let left: AutomationArchived = world.client.send(archive).await.expect(200).json();
    let chains: Vec<_> = left.chains.iter().map(|one| (one.id, one.name.as_str(), one.automation_id)).collect();
    assert_eq!(chains, [(into.id, "into", b.id), (out.id, "out", c.id)]);
    assert_eq!(left.hooks.iter().map(|one| (one.id, one.name.as_str())).collect::<Vec<_>>(), [(hook.id, "push")]);
    for (chain, reason) in [(&into, "automation_archived"), (&out, "input_archived")] {
        let Chain { state, state_reason, .. } = get(&world, chain).await;
        assert_eq!((state.as_str(), state_reason.map(|reason| reason.as_str())), ("blocked", Some(reason)));
    }
    world.end().await;
}

async fn what_becomes_of_a_chain_is_an_event(delivery: Delivery) {
    let world = calm(delivery.with_events()).await;
    let (a, b, c) = (automation(&world, "a").await, automation(&world, "b").await, automation(&world, "c").await);
    let (chain, blocked) = (create(&world, (&a, &b), json!({})).await, create(&world, (&a, &c), json!({})).await);
    let archive = world.client.request(Method::DELETE, &format!("/api/v1/automations/{}", c.id));
    let _archived = world.client.send(archive).await.expect(200);
    archived(&world, &c).await;
    let filter = EventFilter { kinds: vec!["chain.*".to_owned()], ..EventFilter::default() };
    let mut heard = world.client.hub().events(&filter);
    let mut seen: Vec<api_types::Event> = Vec::new();
    eventually("what runs and what does not is heard", async || {
        // The stream is open once something that happened after it arrives.
        let _ended = run(&world, &a, completed(json!({}))).await;
        let _same = put(&world, &chain, &json!({"parameters": {}})).await;
        while let Ok(Some(Ok(happened))) = tokio::time::timeout(Duration::from_millis(500), heard.next()).await {
            if let LiveEvent::Happened(event) = happened {
                seen.push(event);
            }
        }
        ["chain.fired", "chain.refused", "chain.updated"].iter().all(|kind| seen.iter().any(|event| event.kind == *kind)).then_some(())
    })
    .await;
    let one = |kind: &str| seen.iter().find(|event| event.kind == kind).unwrap();
    let fired = one("chain.fired");
    assert_eq!(fired.subject, format!("chains/{}", chain.id));
    assert_eq!((&fired.data["automation_id"], &fired.data["name"], &fired.data["reason"]), (&json!(b.id), &json!("to b"), &json!(null)));
    let made = fired.data["job_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(world.client.job(made).await.automation_id, b.id);
    let refused = one("chain.refused");
    assert_eq!(refused.data["chain_id"], json!(blocked.id));
    assert_eq!((&refused.data["job_id"], &refused.data["reason"]), (&json!(null), &json!("automation_archived")));
    world.end().await;
}
