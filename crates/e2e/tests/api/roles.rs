//! What each role gets from every route, everywhere and in one place: routes come from the table in `access.rs`, each with a working sample here.

mod samples;

use api_types::{Grant, HookDelivery, HookShown, LoginResponse, Session, User, UserCreated, WorkerTokenCreated};
use domain::permission::{Permission as P, Role};
use e2e::{Answer, Delivery, World};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use self::samples::{Maker, Sample};
use crate::{
    access::ROUTES,
    support::{calm, claim, register},
};

const PASSWORD: &str = "a password of a test";

/// What a route is about, for somebody whose permission is for another domain.
#[derive(Clone, Copy, Debug, PartialEq)]
enum About {
    /// The hub as a whole: refused.
    Hub,
    /// What the caller may see or act upon: answered, without the rest.
    Part,
    /// One thing: not found, or refused if it is seen.
    One,
    /// Something new in a place: refused.
    New,
    /// Things that a document names: a field is wrong, or it is refused if they are seen.
    Named,
    /// A new worker token, whose queues are named.
    Token,
    /// One worker token, which only those see who may manage it.
    OwnToken,
}

fn about(method: &str, path: &str) -> About {
    match (method, path) {
        ("post", "/api/v1/worker-tokens") => About::Token,
        (_, "/api/v1/worker-tokens/{id}") => About::OwnToken,
        ("post", "/api/v1/automations") => About::New,
        ("post", "/api/v1/jobs" | "/api/v1/chains" | "/api/v1/hooks" | "/api/v1/schedules" | "/api/v1/slas") => About::One,
        ("post", "/api/v1/schedules/import") => About::Named,
        // What other systems say is about the hub as a whole.
        ("post", "/api/v1/alerts/alertmanager") => About::Hub,
        // Everybody sees the calendars; who changes them may do so everywhere.
        ("get", path) if path.starts_with("/api/v1/calendars") => About::Part,
        (_, path) if path.starts_with("/api/v1/calendars") => About::New,
        (_, "/api/v1/ops/reconcilers" | "/api/v1/ops/tasks") => About::Hub,
        (_, path) if ["/channels", "/notifications", "/report-plans"].iter().any(|of| path.starts_with(&format!("/api/v1{of}"))) => {
            About::Hub
        }
        (_, path) if path.contains('{') => About::One,
        _ => About::Part,
    }
}

/// Who asks.
struct Caller {
    name: &'static str,
    token: String,
    /// What the caller has everywhere.
    everywhere: &'static [P],
    /// What the caller has in another domain than the samples'.
    elsewhere: &'static [P],
}

impl Caller {
    /// The status that the route answers, and whether the answer names the permission.
    fn expected(&self, needs: P, about: About, done: &[u16]) -> Vec<u16> {
        if self.everywhere.contains(&needs) {
            return done.to_vec();
        }
        if !self.elsewhere.contains(&needs) {
            return vec![403];
        }
        let sees = !self.everywhere.is_empty();
        match about {
            About::Part => done.to_vec(),
            About::Hub | About::New => vec![403],
            About::OwnToken => vec![404],
            About::Named => vec![if sees { 403 } else { 422 }],
            About::One | About::Token => vec![if sees { 403 } else { 404 }],
        }
    }
}

/// The domain of the samples, and another one.
struct Places {
    mine: Value,
    other: Value,
}

async fn json_of(answer: Answer, status: u16) -> Value {
    answer.expect(status).json()
}

/// A channel of e-mail that leads nowhere.
fn mailbox(name: &str) -> Value {
    json!({"name": name, "kind": "email", "settings": {"host": "nowhere.invalid", "from": "a@example.com", "to": ["b@example.com"]}})
}

/// A channel that leads nowhere.
fn channel(name: &str) -> Value {
    json!({"name": name, "kind": "webhook", "settings": {"url": "https://nowhere.invalid/"}})
}

async fn places(world: &World) -> Places {
    let domain = async |slug: &str| json_of(world.client.post("/api/v1/domains", &json!({"slug": slug, "name": slug})).await, 201).await;
    Places { mine: domain("mine").await["id"].clone(), other: domain("other").await["id"].clone() }
}

/// A new user with these grants; returns their token.
async fn somebody(world: &World, name: &str, grants: &[Value]) -> (User, String) {
    let body = json!({"username": name, "password": PASSWORD, "must_change_password": false});
    let user = world.client.post("/api/v1/users", &body).await.expect(201).json::<UserCreated>().user;
    for grant in grants {
        let _granted = world.client.post(&format!("/api/v1/users/{}/grants", user.id), grant).await.expect(201);
    }
    (user, sign_in(world, name).await)
}

async fn sign_in(world: &World, name: &str) -> String {
    let login = world.client.bare(Method::POST, "/api/v1/auth/login").json(&json!({"username": name, "password": PASSWORD}));
    world.client.send(login).await.expect(200).json::<LoginResponse>().access_token
}

async fn callers(world: &World, places: &Places) -> Vec<Caller> {
    let mut callers = Vec::new();
    for role in Role::ALL {
        let token = somebody(world, &format!("an-{role}"), &[json!({"right": role})]).await.1;
        callers.push(Caller { name: role.as_str(), token, everywhere: role.permissions(), elsewhere: &[] });
    }
    let maintainer = json!({"right": "maintainer", "domain_id": places.other});
    let elsewhere = Role::Maintainer.permissions();
    let token = somebody(world, "elsewhere", std::slice::from_ref(&maintainer)).await.1;
    callers.push(Caller { name: "maintainer elsewhere", token, everywhere: &[], elsewhere });
    let token = somebody(world, "seer", &[json!({"right": "viewer"}), maintainer]).await.1;
    callers.push(Caller { name: "maintainer elsewhere who sees everything", token, everywhere: Role::Viewer.permissions(), elsewhere });
    let token = somebody(world, "nobody", &[]).await.1;
    callers.push(Caller { name: "user without grants", token, everywhere: &[], elsewhere: &[] });
    callers
}

async fn ask(world: &World, caller: &Caller, method: &str, sample: &Sample) -> Answer {
    let method: Method = method.to_uppercase().parse().unwrap();
    let request = world.client.bare(method, &sample.path).bearer_auth(&caller.token);
    let request = match &sample.body {
        Value::Null => request,
        // A file.
        Value::String(text) => request.body(text.clone()),
        body => request.json(body),
    };
    world.client.send(request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_gets_what_it_is_for_from_every_route() {
    let world = calm(Delivery::Pull.with_events()).await;
    let places = places(&world).await;
    let callers = callers(&world, &places).await;
    let maker = Maker { world: &world, places: &places };
    let mut wrong = Vec::new();
    for (method, path, needs) in ROUTES.iter().copied() {
        let Some(needs) = needs else { continue };
        let mut unused: Option<Sample> = None;
        for caller in &callers {
            let sample = match unused.take() {
                Some(sample) => sample,
                None => maker.sample(method, path).await,
            };
            let expected = caller.expected(needs, about(method, path), sample.done);
            let answer = ask(&world, caller, method, &sample).await;
            let status = answer.status.as_u16();
            let names_it = status != 403 || answer.text.contains(&format!("lacks the permission {needs}"));
            if !expected.contains(&status) || !names_it {
                wrong.push(format!("{method} {path} by {}: {status}, not {expected:?}: {}", caller.name, answer.text));
            }
            unused = (status >= 400).then_some(sample);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_description_names_the_permission_that_each_route_asks_for() {
    let doc = serde_json::to_value(regente::api_doc()).unwrap();
    let mut wrong = Vec::new();
    for (path, operations) in doc["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let asked = ROUTES.iter().find(|(one, of, _)| (*one, *of) == (method.as_str(), path.as_str())).and_then(|(_, _, needs)| *needs);
            let described = operation.get("x-permission").and_then(Value::as_str);
            if described != asked.map(P::as_str) {
                wrong.push(format!("{method} {path}: x-permission is {described:?}, the route asks for {asked:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What this actor has left in the audit trail, newest first.
async fn entries(world: &World, actor: &str) -> Vec<Value> {
    world.client.get(&format!("/api/v1/audit?actor={actor}&limit=1000")).await.expect(200).json()
}

/// Whether the sample changes something, or only says what it would change.
fn changes(method: &str, path: &str, needs: P) -> bool {
    let only_says = ["/api/v1/dead-letters/replay", "/api/v1/notifications/preview"];
    method != "get" && needs != P::WorkerWork && !only_says.contains(&path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_by_a_person_leaves_an_entry_in_the_audit_trail() {
    let world = calm(Delivery::Pull).await;
    let places = places(&world).await;
    let (_, token) = somebody(&world, "author", &[json!({"right": "admin"})]).await;
    let author = Caller { name: "author", token, everywhere: Role::Admin.permissions(), elsewhere: &[] };
    let maker = Maker { world: &world, places: &places };
    let mut known = entries(&world, "author").await.len();
    let mut wrong = Vec::new();
    for (method, path, needs) in ROUTES.iter().copied() {
        if !needs.is_some_and(|needs| changes(method, path, needs)) {
            continue;
        }
        let answer = ask(&world, &author, method, &maker.sample(method, path).await).await;
        let found = entries(&world, "author").await;
        let new = &found[..found.len() - known];
        known = found.len();
        let is_whole = |entry: &Value| {
            let says = |field: &str| entry[field].as_str().is_some_and(|text| !text.is_empty());
            entry["actor_kind"] == "user"
                && ["credential", "address", "request_id", "action", "target_kind"].iter().all(|field| says(field))
        };
        if new.len() != usize::from(answer.status.is_success()) || !new.iter().all(is_whole) {
            wrong.push(format!("{method} {path}: {} {}: {new:?}", answer.status, answer.text));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_one_s_own_account_are_in_the_audit_trail_without_their_secrets() {
    let world = calm(Delivery::Pull).await;
    let (_, token) = somebody(&world, "author", &[json!({"right": "admin"})]).await;
    let author = Caller { name: "author", token, everywhere: &[], elsewhere: &[] };
    let send = async |method: &str, path: &str, body: Value| {
        ask(&world, &author, method, &Sample { path: path.to_owned(), body, done: &[] }).await
    };
    let made =
        send("post", "/api/v1/api-keys", json!({"name": "portal", "grants": [{"right": "viewer"}]})).await.expect(201).json::<Value>();
    let id = made["id"].as_str().unwrap();
    let _revoked = send("delete", &format!("/api/v1/api-keys/{id}"), Value::Null).await.expect(204);
    let changed = json!({"current_password": PASSWORD, "new_password": "another password of a test"});
    let _changed = send("post", "/api/v1/auth/change-password", changed).await.expect(200);
    let found = entries(&world, "author").await;
    let mut actions: Vec<&str> = found.iter().filter_map(|entry| entry["action"].as_str()).collect();
    // Those of one transaction have one moment.
    actions.sort_unstable();
    assert_eq!(actions, ["api_key.create", "api_key.revoke", "grant.create", "session.login", "user.change_password"], "{found:?}");
    let text = serde_json::to_string(&found).unwrap();
    let key = made["key"].as_str().unwrap();
    for secret in [key, PASSWORD, "another password of a test", "argon2"] {
        assert!(!text.contains(secret), "{secret}");
    }
    world.end().await;
}
