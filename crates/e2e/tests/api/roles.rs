//! What each role gets from every route, everywhere and in one place: routes come from the table in `access.rs`, each with a working sample here.

use api_types::{Grant, HookDelivery, HookShown, LoginResponse, Session, User, UserCreated, WorkerTokenCreated};
use domain::permission::{Permission as P, Role};
use e2e::{Answer, Delivery, World};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

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
        (_, path) if path.starts_with("/api/v1/channels") || path.starts_with("/api/v1/notifications") => About::Hub,
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

/// A request that works, and the statuses that say so.
struct Sample {
    path: String,
    body: Value,
    done: &'static [u16],
}

/// Makes what the samples are about.
struct Maker<'a> {
    world: &'a World,
    places: &'a Places,
}

impl Maker<'_> {
    async fn automation(&self) -> Value {
        let name = format!("a-{}", Uuid::new_v4().simple());
        let body = json!({"name": name, "queue_name": self.world.queue(&name), "script_path": "main.py", "domain_id": self.places.mine});
        json_of(self.world.client.post("/api/v1/automations", &body).await, 201).await
    }

    async fn done(&self, path: &str) {
        let answer = self.world.client.post(path, &json!({})).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
    }

    /// A pending job of a new automation.
    async fn job(&self) -> String {
        let automation = self.automation().await;
        let answer = self.world.client.post(&format!("/api/v1/automations/{}/execute", automation["id"]), &json!({})).await;
        json_of(answer, 202).await["job_id"].as_str().unwrap().to_owned()
    }

    async fn canceled(&self) -> String {
        let id = self.job().await;
        self.done(&format!("/api/v1/jobs/{id}/cancel")).await;
        id
    }

    /// A job that a worker runs.
    async fn running(&self) -> String {
        let automation = self.automation().await;
        let queue = automation["queue_name"].as_str().unwrap();
        let answer = self.world.client.post(&format!("/api/v1/automations/{}/execute", automation["id"]), &json!({})).await;
        let job = json_of(answer, 202).await["job_id"].as_str().unwrap().to_owned();
        let worker = register(self.world, &format!("w-{job}"), &[queue]).await;
        let claimed = claim(self.world, worker, &[queue], json!({"wait_s": 30.0})).await;
        assert_eq!(claimed[0].job_id.to_string(), job);
        job
    }

    async fn worker(&self) -> String {
        let automation = self.automation().await;
        let queue = automation["queue_name"].as_str().unwrap();
        register(self.world, &format!("w-{}", Uuid::new_v4().simple()), &[queue]).await.to_string()
    }

    async fn letter(&self) -> String {
        let (id, job) = (Uuid::now_v7(), self.job().await);
        let letter = store::dead_letters::DeadLetter {
            id: id.into(),
            queue_name: "gone".to_owned(),
            job_id: Some(job.parse().unwrap()),
            reason: "rejected".to_owned(),
            body: "{}".to_owned(),
            body_is_whole: true,
            headers: None,
            received_at: chrono::Utc::now(),
            replay: None,
        };
        store::dead_letters::dead_letter_insert(self.world.hub.database(), &letter).await.unwrap();
        id.to_string()
    }

    /// A hook of a new automation.
    async fn hook(&self) -> HookShown {
        let body = json!({"automation_id": self.automation().await["id"], "name": "h"});
        self.world.client.post("/api/v1/hooks", &body).await.expect(201).json()
    }

    /// A hook, and a request that came to it.
    async fn delivery(&self) -> (String, String) {
        let HookShown { token, hook, .. } = self.hook().await;
        let path = format!("/api/v1/hooks/{}", token.unwrap());
        let _sent = self.world.client.send(self.world.client.bare(Method::POST, &path).json(&json!({}))).await.expect(202);
        let list = self.world.client.get(&format!("/api/v1/hooks/{}/deliveries", hook.id)).await.expect(200);
        (hook.id.to_string(), list.json::<Vec<HookDelivery>>().remove(0).id.to_string())
    }

    /// A message of Alertmanager about a new alert of a new automation, and its fingerprint.
    async fn alertmanager(&self) -> (Value, String) {
        let (automation, fingerprint) = (self.automation().await, Uuid::new_v4().simple().to_string());
        let labels = json!({"alertname": "a", "automation": automation["name"]});
        let alert = json!({"status": "firing", "labels": labels, "startsAt": "2026-11-26T14:00:00Z", "fingerprint": fingerprint});
        (json!({"alerts": [alert]}), fingerprint)
    }

    /// An open alert of a new automation.
    async fn alert(&self) -> String {
        let (message, fingerprint) = self.alertmanager().await;
        let _heard = self.world.client.post("/api/v1/alerts/alertmanager", &message).await.expect(200);
        let all: Vec<api_types::Alert> = self.world.client.get("/api/v1/alerts?limit=1000").await.expect(200).json();
        all.into_iter().find(|alert| alert.subject == fingerprint).unwrap().id.to_string()
    }

    /// What a new chain of a new automation is created with.
    async fn new_chain(&self) -> Value {
        let (target, input) = (self.automation().await, self.automation().await);
        json!({"automation_id": target["id"], "name": "c", "inputs": [{"automation_id": input["id"]}]})
    }

    async fn chain(&self) -> String {
        let made = self.world.client.post("/api/v1/chains", &self.new_chain().await).await;
        json_of(made, 201).await["id"].as_str().unwrap().to_owned()
    }

    async fn schedule(&self) -> String {
        let body = json!({"automation_id": self.automation().await["id"], "cron_expression": "@yearly"});
        json_of(self.world.client.post("/api/v1/schedules", &body).await, 201).await["id"].as_str().unwrap().to_owned()
    }

    async fn sla(&self) -> String {
        let body = json!({"automation_id": self.automation().await["id"], "alert_on_failure": true});
        json_of(self.world.client.post("/api/v1/slas", &body).await, 201).await["id"].as_str().unwrap().to_owned()
    }

    async fn paused_schedule(&self) -> String {
        let id = self.schedule().await;
        self.done(&format!("/api/v1/schedules/{id}/pause")).await;
        id
    }

    async fn user(&self) -> User {
        let name = format!("u-{}", Uuid::new_v4().simple());
        somebody(self.world, &name, &[json!({"right": "viewer"})]).await.0
    }

    async fn domain(&self) -> String {
        let slug = format!("d-{}", Uuid::new_v4().simple());
        let answer = self.world.client.post("/api/v1/domains", &json!({"slug": slug, "name": slug})).await;
        json_of(answer, 201).await["id"].as_str().unwrap().to_owned()
    }

    /// A sample of the route; it may be used once.
    #[expect(clippy::panic, reason = "a route without a sample fails the test")]
    async fn sample(&self, method: &str, path: &'static str) -> Sample {
        let plain = |body: Value, done| Sample { path: path.to_owned(), body, done };
        let of = |id: &str, body: Value, done| Sample { path: path.replace("{id}", id), body, done };
        let unique = format!("n-{}", Uuid::new_v4().simple());
        match (method, path) {
            ("post", "/api/v1/automations") => plain(json!({"name": unique, "script_path": "a.py", "domain_id": self.places.mine}), &[201]),
            ("post", "/api/v1/jobs") => plain(json!({"automation_id": self.automation().await["id"], "parameters": {}}), &[202]),
            ("post", "/api/v1/hooks") => plain(json!({"automation_id": self.automation().await["id"], "name": unique}), &[201]),
            (_, path) if path.starts_with("/api/v1/hooks/{hook}/deliveries/") => {
                let (hook, id) = self.delivery().await;
                Sample { path: path.replace("{hook}", &hook).replace("{id}", &id), body: json!({}), done: &[200, 202] }
            }
            (_, path) if path.starts_with("/api/v1/hooks/{hook}") => {
                let id = self.hook().await.hook.id.to_string();
                if path.ends_with("resume") {
                    self.done(&format!("/api/v1/hooks/{id}/pause")).await;
                }
                let body = if method == "put" { json!({"name": unique}) } else { json!({}) };
                Sample { path: path.replace("{hook}", &id), body, done: &[200, 204] }
            }
            ("post", "/api/v1/alerts/alertmanager") => plain(self.alertmanager().await.0, &[200]),
            ("post", "/api/v1/alerts/bulk/acknowledge") => plain(json!({"ids": [self.alert().await]}), &[200]),
            (_, "/api/v1/alerts/{id}/comment") => of(&self.alert().await, json!({"comment": "c"}), &[200]),
            (_, "/api/v1/alerts/{id}/mute") => {
                of(&self.alert().await, json!({"until": chrono::Utc::now() + chrono::TimeDelta::hours(1)}), &[200])
            }
            (_, "/api/v1/alerts/{id}/unmute") => {
                let (id, until) = (self.alert().await, chrono::Utc::now() + chrono::TimeDelta::hours(1));
                let _muted = self.world.client.post(&format!("/api/v1/alerts/{id}/mute"), &json!({"until": until})).await.expect(200);
                of(&id, json!({}), &[200])
            }
            (_, path) if path.starts_with("/api/v1/alerts/{id}") => of(&self.alert().await, json!({}), &[200]),
            ("post", "/api/v1/jobs/bulk/cancel") => plain(json!({"ids": [self.job().await]}), &[200]),
            ("post", "/api/v1/jobs/bulk/retry") => plain(json!({"ids": [self.canceled().await]}), &[200]),
            ("post", "/api/v1/calendars") => plain(json!({"name": unique}), &[201]),
            (_, "/api/v1/calendars/holidays") => Sample { path: format!("{path}?set=br&year=2026"), body: Value::Null, done: &[200] },
            (_, path) if path.starts_with("/api/v1/calendars/{id}") => {
                let made = self.world.client.post("/api/v1/calendars", &json!({"name": unique})).await;
                let path = path.replace("{id}", json_of(made, 201).await["id"].as_str().unwrap());
                match method {
                    "put" => Sample { path, body: json!({"name": format!("{unique}-2")}), done: &[200] },
                    "post" => Sample { path, body: json!("date\n2026-12-24\n"), done: &[200] },
                    _ if path.ends_with("/days") => {
                        Sample { path: format!("{path}?from=2026-11-01&to=2026-11-30"), body: Value::Null, done: &[200] }
                    }
                    _ => Sample { path, body: Value::Null, done: &[200, 204] },
                }
            }
            ("post", "/api/v1/channels") => plain(channel(&unique), &[201]),
            (_, path) if path.starts_with("/api/v1/channels/{id}") => {
                let made = json_of(self.world.client.post("/api/v1/channels", &channel(&unique)).await, 201).await;
                let body = if method == "put" { json!({"group_wait_s": 5}) } else { json!({}) };
                of(made["id"].as_str().unwrap(), body, &[200, 204])
            }
            ("post", "/api/v1/notifications/preview") => plain(json!({}), &[200]),
            // There is no such message: whoever may look is told so.
            (_, path) if path.starts_with("/api/v1/notifications/{id}") => of(&Uuid::nil().to_string(), json!({}), &[404]),
            ("post", "/api/v1/chains") => plain(self.new_chain().await, &[201]),
            ("put", "/api/v1/chains/{id}") => of(&self.chain().await, json!({"name": unique}), &[200]),
            (_, "/api/v1/chains/{id}/enable") => {
                let id = self.chain().await;
                self.done(&format!("/api/v1/chains/{id}/disable")).await;
                of(&id, json!({}), &[200])
            }
            (_, path) if path.starts_with("/api/v1/chains/{id}") => of(&self.chain().await, Value::Null, &[200, 204]),
            ("post", "/api/v1/slas") => {
                plain(json!({"automation_id": self.automation().await["id"], "alert_on_failure": true, "name": unique}), &[201])
            }
            ("put", "/api/v1/slas/{id}") => of(&self.sla().await, json!({"name": unique}), &[200]),
            ("post", "/api/v1/slas/{id}/mute") => of(&self.sla().await, json!({"until": "2099-01-01T00:00:00Z"}), &[200]),
            (_, path) if path.starts_with("/api/v1/slas/{id}") => of(&self.sla().await, Value::Null, &[200, 204]),
            ("post", "/api/v1/schedules") => {
                plain(json!({"automation_id": self.automation().await["id"], "cron_expression": "@yearly"}), &[201])
            }
            ("post", "/api/v1/schedules/bulk/pause") => plain(json!({"ids": [self.schedule().await]}), &[200]),
            ("post", "/api/v1/schedules/bulk/resume") => plain(json!({"ids": [self.paused_schedule().await]}), &[200]),
            // JSON is YAML.
            ("post", "/api/v1/schedules/import") => {
                let automation = self.automation().await["name"].as_str().unwrap().to_owned();
                plain(json!({"automations": {automation: {"yearly": {"cron_expression": "@yearly"}}}}), &[200])
            }
            ("get", "/api/v1/schedules/preview") => Sample { path: format!("{path}?cron=0+8+*+*+*"), body: Value::Null, done: &[200] },
            (_, "/api/v1/schedules/{id}/run") => of(&self.schedule().await, json!({}), &[202]),
            (_, "/api/v1/schedules/{id}/resume") => of(&self.paused_schedule().await, json!({}), &[200]),
            ("put", "/api/v1/schedules/{id}") => of(&self.schedule().await, json!({"priority": 1}), &[200]),
            (_, path) if path.starts_with("/api/v1/schedules/{id}") => of(&self.schedule().await, Value::Null, &[200, 204]),
            ("post", "/api/v1/dead-letters/replay") => plain(json!({"dry_run": true}), &[200]),
            ("post", "/api/v1/domains") => plain(json!({"slug": unique, "name": "D"}), &[201]),
            ("post", "/api/v1/users") => plain(json!({"username": unique}), &[201]),
            ("post", "/api/v1/worker-tokens") => plain(json!({"name": "t", "queues": [self.automation().await["queue_name"]]}), &[201]),
            (_, "/api/v1/automations/{id}") if method != "put" => of(&self.automation().await["id"].to_string(), Value::Null, &[200, 204]),
            ("put", "/api/v1/automations/{id}") => of(&self.automation().await["id"].to_string(), json!({"priority": 1}), &[200]),
            (_, "/api/v1/automations/{id}/execute") => of(&self.automation().await["id"].to_string(), json!({}), &[202]),
            (_, "/api/v1/automations/{id}/pause") => of(&self.automation().await["id"].to_string(), json!({}), &[200]),
            (_, "/api/v1/automations/{id}/resume") => {
                let id = self.automation().await["id"].to_string();
                self.done(&format!("/api/v1/automations/{id}/pause")).await;
                of(&id, json!({}), &[200])
            }
            (_, "/api/v1/jobs/{id}/pause") => of(&self.running().await, json!({}), &[200]),
            (_, "/api/v1/jobs/{id}/resume") => {
                let id = self.running().await;
                self.done(&format!("/api/v1/jobs/{id}/pause")).await;
                of(&id, json!({}), &[200])
            }
            (_, "/api/v1/jobs/{id}/retry" | "/api/v1/jobs/{id}/logs/stream") => of(&self.canceled().await, json!({}), &[200, 202]),
            (_, path) if path.starts_with("/api/v1/jobs/{id}") => of(&self.job().await, json!({}), &[200]),
            (_, "/api/v1/queues/{name}/pause" | "/api/v1/queues/{name}/resume") => {
                let queue = self.automation().await["queue_name"].as_str().unwrap().to_owned();
                if path.ends_with("resume") {
                    self.done(&format!("/api/v1/queues/{queue}/pause")).await;
                }
                Sample { path: path.replace("{name}", &queue), body: json!({}), done: &[200] }
            }
            // Its job did not fail by the message: nothing is replayed.
            (_, "/api/v1/dead-letters/{id}/replay") => of(&self.letter().await, json!({}), &[409]),
            (_, "/api/v1/dead-letters/{id}") => of(&self.letter().await, Value::Null, &[200, 204]),
            ("delete", "/api/v1/workers/{id}") => {
                let id = self.worker().await;
                let _gone = self.world.client.report("/goodbye", None, &json!({"worker_id": id})).await.expect(204);
                of(&id, Value::Null, &[204])
            }
            (_, "/api/v1/workers/{id}/resume") => {
                let id = self.worker().await;
                self.done(&format!("/api/v1/workers/{id}/pause")).await;
                of(&id, json!({}), &[200])
            }
            (_, path) if path.starts_with("/api/v1/workers/{id}") => of(&self.worker().await, json!({}), &[200]),
            (_, "/api/v1/worker-tokens/{id}") => {
                let body = json!({"name": "t", "queues": [self.automation().await["queue_name"]]});
                let made: WorkerTokenCreated = self.world.client.post("/api/v1/worker-tokens", &body).await.expect(201).json();
                of(&made.kept.id.to_string(), Value::Null, &[204])
            }
            ("delete", "/api/v1/domains/{id}") => of(&self.domain().await, Value::Null, &[204]),
            (_, "/api/v1/domains/{id}") => of(self.places.mine.as_str().unwrap(), json!({"name": "Mine"}), &[200]),
            (_, "/api/v1/users/{id}/sessions/{session_id}") => {
                let user = self.user().await;
                let sessions = self.world.client.get(&format!("/api/v1/users/{}/sessions", user.id)).await;
                let session = sessions.expect(200).json::<Vec<Session>>().remove(0);
                let path = path.replace("{session_id}", &session.id.to_string());
                Sample { path: path.replace("{id}", &user.id.to_string()), body: Value::Null, done: &[204] }
            }
            (_, "/api/v1/users/{id}/grants/{grant_id}") => {
                let user = self.user().await;
                let grants = self.world.client.get(&format!("/api/v1/users/{}/grants", user.id)).await;
                let grant = grants.expect(200).json::<Vec<Grant>>().remove(0);
                let path = path.replace("{grant_id}", &grant.id.to_string());
                Sample { path: path.replace("{id}", &user.id.to_string()), body: Value::Null, done: &[204] }
            }
            ("post", "/api/v1/users/{id}/grants") => of(&self.user().await.id.to_string(), json!({"right": "operator"}), &[201]),
            ("put", "/api/v1/users/{id}") => of(&self.user().await.id.to_string(), json!({"display_name": "U"}), &[200]),
            (_, "/api/v1/users/{id}/reactivate") => {
                let id = self.user().await.id.to_string();
                self.done(&format!("/api/v1/users/{id}/deactivate")).await;
                of(&id, json!({}), &[200])
            }
            (_, path) if path.starts_with("/api/v1/users/{id}") => of(&self.user().await.id.to_string(), json!({}), &[200]),
            // A faulty request is found after the permission: these two would go on.
            ("get", "/api/v1/events") => Sample { path: format!("{path}?kinds=bad"), body: Value::Null, done: &[400] },
            ("get", "/api/v1/ws") => plain(Value::Null, &[400]),
            ("get", path) if !path.contains('{') => plain(Value::Null, &[200]),
            // Nobody but workers gets further.
            (_, path) if path.starts_with("/api/v1/worker/") => of(&Uuid::nil().to_string(), json!({}), &[]),
            _ => panic!("{method} {path} has no sample: add one that works"),
        }
    }
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
