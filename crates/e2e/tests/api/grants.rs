//! Grants and domains over the API: what they give, where, and from when.

use api_types::{Automation, Domain, Grant, LoginResponse, User, UserCreated};
use e2e::{Client, Delivery, World, on_both};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::eventually;

use crate::support::{calm, fields, replica};

on_both!(
    a_grant_counts_at_once_here_and_soon_elsewhere_and_so_does_its_end,
    a_deleted_domain_refuses_and_breaks_nothing,
    what_is_granted_in_a_place_shows_only_that_place,
    what_cannot_be_granted_is_named,
    the_last_administrator_keeps_the_grant,
    a_domain_is_added_changed_and_deleted,
    automations_have_a_domain_and_labels_and_are_listed_by_them,
);

const PASSWORD: &str = "a password of a test";

pub(crate) async fn user(world: &World, name: &str) -> (User, String) {
    let body = json!({"username": name, "password": PASSWORD, "must_change_password": false});
    let user = world.client.post("/api/v1/users", &body).await.expect(201).json::<UserCreated>().user;
    let login = world.client.bare(Method::POST, "/api/v1/auth/login").json(&json!({"username": name, "password": PASSWORD}));
    (user, world.client.send(login).await.expect(200).json::<LoginResponse>().access_token)
}

pub(crate) async fn grant(world: &World, user: &User, grant: Value) -> Grant {
    world.client.post(&format!("/api/v1/users/{}/grants", user.id), &grant).await.expect(201).json()
}

pub(crate) async fn revoke(world: &World, user: &User, grant: &Grant) {
    let path = format!("/api/v1/users/{}/grants/{}", user.id, grant.id);
    let _done = world.client.send(world.client.request(Method::DELETE, &path)).await.expect(204);
}

pub(crate) async fn domain(world: &World, slug: &str) -> Domain {
    world.client.post("/api/v1/domains", &json!({"slug": slug, "name": slug})).await.expect(201).json()
}

pub(crate) async fn automation(world: &World, name: &str, more: Value) -> Automation {
    let mut body = json!({"name": name, "queue_name": world.queue(name), "script_path": "main.py"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.client.automation(&body).await
}

async fn get(client: &Client, token: &str, path: &str) -> (u16, Value) {
    let answer = client.send(client.bare(Method::GET, path).bearer_auth(token)).await;
    (answer.status.as_u16(), answer.json())
}

async fn status(client: &Client, token: &str, path: &str) -> u16 {
    get(client, token, path).await.0
}

const LIST: &str = "/api/v1/automations";

async fn a_grant_counts_at_once_here_and_soon_elsewhere_and_so_does_its_end(delivery: Delivery) {
    let world = calm(delivery).await;
    let (hub, elsewhere) = replica(&world).await;
    let (ana, token) = user(&world, "ana").await;
    let is = async |expected: u16| {
        world.everywhere("the change counts", async || status(&world.client, &token, LIST).await == expected).await;
        eventually("the replica hears of it", async || (status(&elsewhere, &token, LIST).await == expected).then_some(())).await;
        // What it knows now, it knows from memory as well.
        assert_eq!(status(&elsewhere, &token, LIST).await, expected);
    };
    is(403).await;
    let viewer = grant(&world, &ana, json!({"right": "viewer"})).await;
    is(200).await;
    let one = grant(&world, &ana, json!({"right": "robot.read", "label": "nfe"})).await;
    revoke(&world, &ana, &viewer).await;
    is(200).await;
    revoke(&world, &ana, &one).await;
    is(403).await;
    hub.stop().await;
    world.end().await;
}

async fn a_deleted_domain_refuses_and_breaks_nothing(delivery: Delivery) {
    let world = calm(delivery).await;
    let (hub, elsewhere) = replica(&world).await;
    let ((ana, token), sales) = (user(&world, "ana").await, domain(&world, "sales").await);
    grant(&world, &ana, json!({"right": "viewer", "domain_id": sales.id})).await;
    let both = [&world.client, &elsewhere];
    for client in both {
        eventually("the grant counts", async || (status(client, &token, LIST).await == 200).then_some(())).await;
    }
    let _gone = world.client.send(world.client.request(Method::DELETE, &format!("/api/v1/domains/{}", sales.id))).await.expect(204);
    world.everywhere("the grant is gone", async || status(&world.client, &token, LIST).await == 403).await;
    for client in both {
        eventually("nothing is left", async || (status(client, &token, LIST).await == 403).then_some(())).await;
    }
    let left: Vec<Grant> = world.client.get(&format!("/api/v1/users/{}/grants", ana.id)).await.expect(200).json();
    assert_eq!(left, []);
    hub.stop().await;
    world.end().await;
}

async fn what_is_granted_in_a_place_shows_only_that_place(delivery: Delivery) {
    let world = calm(delivery).await;
    let (finance, (ana, token)) = (domain(&world, "finance").await, user(&world, "ana").await);
    let mine = automation(&world, "mine", json!({"domain_id": finance.id})).await;
    let other = automation(&world, "other", json!({"labels": ["NFe"]})).await;
    for automation in [&mine, &other] {
        let _job = world.client.execute(automation, &json!({})).await;
    }
    let listed = async |path: &str, field: &str| {
        let (status, list) = get(&world.client, &token, path).await;
        assert_eq!(status, 200, "{path}: {list}");
        let mut ids: Vec<Value> = list.as_array().unwrap().iter().map(|item| item[field].clone()).collect();
        ids.sort_by_key(ToString::to_string);
        ids
    };
    let sees = async |ids: &[i32]| {
        let (status, list) = get(&world.client, &token, LIST).await;
        status == 200 && list.as_array().unwrap().iter().map(|item| &item["id"]).eq(ids)
    };
    let place = grant(&world, &ana, json!({"right": "viewer", "domain_id": finance.id})).await;
    world.everywhere("the domain is seen", async || sees(&[mine.id.get()]).await).await;
    assert_eq!(listed("/api/v1/jobs", "automation_id").await, [json!(mine.id)]);
    assert_eq!(listed("/api/v1/queues", "name").await, [json!(mine.queue_name)]);
    assert_eq!(listed("/api/v1/domains", "slug").await, [json!("finance")]);
    let ops = get(&world.client, &token, "/api/v1/ops/status").await.1;
    assert_eq!((&ops["pending"], ops["queues"].as_array().unwrap().len()), (&json!(1), 1));
    assert_eq!(status(&world.client, &token, &format!("{LIST}/{}", other.id)).await, 404);
    let label = grant(&world, &ana, json!({"right": "robot.read", "label": "NFE"})).await;
    assert_eq!(label.label.as_deref(), Some("nfe"));
    world.everywhere("the label is seen", async || sees(&[mine.id.get(), other.id.get()]).await).await;
    assert_eq!(listed("/api/v1/jobs", "automation_id").await, [json!(mine.id)], "the other's jobs are not readable");
    revoke(&world, &ana, &place).await;
    world.everywhere("the domain is seen no more", async || sees(&[other.id.get()]).await).await;
    let me = get(&world.client, &token, "/api/v1/auth/me").await.1;
    assert_eq!(me["permissions"], json!(["robot.read"]));
    let nfe = json!({"domain_ids": [], "automation_ids": [], "labels": ["nfe"]});
    assert_eq!(me["reach"], json!([{"permissions": ["robot.read"], "within": [nfe]}]));
    grant(&world, &ana, json!({"right": "operator", "domain_id": finance.id})).await;
    grant(&world, &ana, json!({"right": "run.cancel"})).await;
    let (both, one) = (
        json!({"domain_ids": [finance.id], "automation_ids": [], "labels": ["nfe"]}),
        json!({"domain_ids": [finance.id], "automation_ids": [], "labels": []}),
    );
    let in_domain = ["robot.run", "run.read", "artifact.download", "service.read", "service.run", "worker.read"];
    let expected = json!([
        {"permissions": ["robot.read"], "within": [both]},
        {"permissions": in_domain, "within": [one]},
        {"permissions": ["run.cancel"], "within": []},
    ]);
    let reach = async || get(&world.client, &token, "/api/v1/auth/me").await.1["reach"] == expected;
    world.everywhere("both grants count beside the label's", reach).await;
    world.end().await;
}

async fn what_cannot_be_granted_is_named(delivery: Delivery) {
    let world = calm(delivery).await;
    let (ana, _) = user(&world, "ana").await;
    let path = format!("/api/v1/users/{}/grants", ana.id);
    let nil = "00000000-0000-0000-0000-000000000000";
    for (body, field) in [
        (json!({"right": "root"}), "right"),
        (json!({"right": "admin", "label": "nfe"}), "right"),
        (json!({"right": "worker.work", "automation_id": 1}), "right"),
        (json!({"right": "viewer", "domain_id": nil}), "domain_id"),
        (json!({"right": "viewer", "automation_id": 999_999}), "automation_id"),
        (json!({"right": "viewer", "label": "a b"}), "label"),
        (json!({"right": "viewer", "label": "nfe", "domain_id": nil}), "label"),
        (json!({"right": "viewer", "where": "here"}), "where"),
        (json!({}), "right"),
    ] {
        let answer = world.client.post(&path, &body).await;
        assert_eq!(fields(&answer.problem(422)), [field], "{body}");
    }
    let viewer = json!({"right": "viewer"});
    let _first = grant(&world, &ana, viewer.clone()).await;
    assert_eq!(world.client.post(&path, &viewer).await.problem(409).code, "already_granted");
    let missing = format!("/api/v1/users/{nil}/grants");
    assert_eq!(world.client.get(&missing).await.problem(404).code, "not_found");
    assert_eq!(world.client.post(&missing, &viewer).await.problem(404).code, "not_found");
    let gone = world.client.send(world.client.request(Method::DELETE, &format!("{path}/{nil}"))).await;
    assert_eq!(gone.problem(404).code, "not_found");
    world.end().await;
}

async fn the_last_administrator_keeps_the_grant(delivery: Delivery) {
    let world = calm(delivery).await;
    let users: Vec<User> = world.client.get("/api/v1/users").await.expect(200).json();
    let path = format!("/api/v1/users/{}/grants", users[0].id);
    let grants: Vec<Grant> = world.client.get(&path).await.expect(200).json();
    assert_eq!(grants.len(), 1);
    let one = format!("{path}/{}", grants[0].id);
    let delete = async || world.client.send(world.client.request(Method::DELETE, &one)).await;
    assert_eq!(delete().await.problem(409).code, "last_administrator");
    let (ana, _) = user(&world, "ana").await;
    grant(&world, &ana, json!({"right": "admin"})).await;
    let _gone = delete().await.expect(204);
    assert_eq!(world.client.get(&path).await.problem(403).code, "forbidden", "whoever gave it away is none any more");
    world.end().await;
}

async fn a_domain_is_added_changed_and_deleted(delivery: Delivery) {
    let world = calm(delivery).await;
    let added = world.client.post("/api/v1/domains", &json!({"slug": "finance", "name": " Finance "})).await.expect(201);
    let finance: Domain = added.json();
    assert_eq!(
        (added.headers["location"].to_str().unwrap(), finance.name.as_str()),
        (&*format!("/api/v1/domains/{}", finance.id), "Finance")
    );
    let taken = world.client.post("/api/v1/domains", &json!({"slug": "finance", "name": "Other"})).await;
    assert_eq!(taken.problem(409).code, "slug_taken");
    let faulty = world.client.post("/api/v1/domains", &json!({"slug": "A b", "name": " "})).await;
    assert_eq!(fields(&faulty.problem(422)), ["slug", "name"]);
    let path = format!("/api/v1/domains/{}", finance.id);
    let put = async |body: Value| world.client.send(world.client.request(Method::PUT, &path).json(&body)).await;
    let changed: Domain = put(json!({"slug": "fin"})).await.expect(200).json();
    assert_eq!((changed.slug.as_str(), changed.name.as_str()), ("fin", "Finance"));
    assert_eq!(world.client.get(&path).await.expect(200).json::<Domain>(), changed);
    let first = world.client.get("/api/v1/domains?limit=1").await.expect(200);
    assert_eq!(first.json::<Vec<Domain>>(), [changed]);
    let owned = automation(&world, "owned", json!({"domain_id": finance.id})).await;
    let delete = async || world.client.send(world.client.request(Method::DELETE, &path)).await;
    assert_eq!(delete().await.problem(409).code, "domain_in_use");
    let moved = world.client.request(Method::PUT, &format!("{LIST}/{}", owned.id)).json(&json!({"domain_id": null}));
    assert_eq!(world.client.send(moved).await.expect(200).json::<Automation>().domain_id, None);
    let _gone = delete().await.expect(204);
    assert_eq!(delete().await.problem(404).code, "not_found");
    world.end().await;
}

async fn automations_have_a_domain_and_labels_and_are_listed_by_them(delivery: Delivery) {
    let world = calm(delivery).await;
    let finance = domain(&world, "finance").await;
    let made = automation(&world, "made", json!({"domainId": finance.id, "labels": ["Tax", "a_1", "tax"]})).await;
    let other = automation(&world, "other", json!({"labels": ["ab1"]})).await;
    assert_eq!((made.domain_id, &made.labels), (Some(finance.id), &vec!["a_1".to_owned(), "tax".to_owned()]));
    let listed = async |query: &str| {
        let list: Vec<Automation> = world.client.get(&format!("{LIST}?{query}")).await.expect(200).json();
        list.into_iter().map(|automation| automation.id).collect::<Vec<_>>()
    };
    for (query, expected) in [
        ("domain=finance", vec![made.id]),
        ("domain=sales", vec![]),
        ("label=TAX", vec![made.id]),
        ("label=a_1", vec![made.id]),
        ("label=ab1&domain=finance", vec![]),
        ("label=ab1", vec![other.id]),
    ] {
        assert_eq!(listed(query).await, expected, "{query}");
    }
    assert_eq!(fields(&world.client.get(&format!("{LIST}?label=a%20b")).await.problem(400)), ["label"]);
    for automation in [&made, &other] {
        let _job = world.client.execute(automation, &json!({})).await;
    }
    let jobs: Vec<Value> = world.client.get("/api/v1/jobs?domain=finance").await.expect(200).json();
    assert_eq!(jobs.iter().map(|job| &job["automation_id"]).collect::<Vec<_>>(), [&json!(made.id)]);
    let counted = world.client.post("/api/v1/jobs/bulk/cancel", &json!({"domain": "finance", "dry_run": true})).await.expect(200);
    assert_eq!(counted.json::<Value>()["matched"], 1);
    world.end().await;
}
