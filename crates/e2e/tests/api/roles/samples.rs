//! A request of each route that works, and what it needs.

use super::*;

/// A request that works, and the statuses that say so.
pub(super) struct Sample {
    pub(super) path: String,
    pub(super) body: Value,
    pub(super) done: &'static [u16],
}

/// Makes what the samples are about.
pub(super) struct Maker<'a> {
    pub(super) world: &'a World,
    pub(super) places: &'a Places,
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
    pub(super) async fn sample(&self, method: &str, path: &'static str) -> Sample {
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
            ("post", "/api/v1/report-plans") => {
                let channel = json_of(self.world.client.post("/api/v1/channels", &mailbox(&unique)).await, 201).await;
                plain(json!({"name": unique, "at": "07:30", "channels": [channel["id"]]}), &[201])
            }
            (_, path) if path.starts_with("/api/v1/report-plans/{id}") => {
                let channel = json_of(self.world.client.post("/api/v1/channels", &mailbox(&unique)).await, 201).await;
                let body = json!({"name": unique, "at": "07:30", "channels": [channel["id"]]});
                let made = json_of(self.world.client.post("/api/v1/report-plans", &body).await, 201).await;
                let body = if method == "put" { json!({"at": "08:00"}) } else { json!({}) };
                of(made["id"].as_str().unwrap(), body, &[200, 202, 204])
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
