//! What nobody may read in a log.

use api_types::{HookShown, WorkerTokenCreated};
use domain::job::{ErrorClass, Status};
use serde_json::json;
use sqlx::Connection as _;

use crate::{
    client::{Client, PASSWORD, sign_in},
    process::Place,
    worker::place,
};

/// With all that the programs have to say: what is told at a lower level is told when somebody looks for a fault.
#[tokio::test]
async fn the_log_contains_no_secret_at_any_level() {
    let amqp = test_support::amqp_url().unwrap();
    // With the signs around it: a password of somebody's own server may be an everyday word.
    let broker_password = format!(":{}@", amqp.split([':', '@']).nth(2).unwrap());
    let queue = format!("secret-{}", uuid::Uuid::new_v4().simple());
    let place = place().with("REGENTE__LOG__FILTER", "trace").with("REGENTE__BROKER__URL", &amqp).with("REGENTE_AMQP_URL", &amqp);
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    let (_, token) = sign_in(&address, PASSWORD).await;
    let client = Client::new(&address, PASSWORD).await;
    let key = std::fs::read_to_string(place.path("data/worker-key")).unwrap().trim().to_owned();
    let made = client.post("/api/v1/worker-tokens", &json!({"name": "of the robot", "queues": [queue]})).await;
    let made: WorkerTokenCreated = made.json().await.unwrap();
    let script = place
        .write("robot.sh", "[ -n \"$PARAM_SENHA\" ] || exit 9; echo '{\"x\": \"s3cret-result\"}' > result.json; exit \"$PARAM_CODE\"\n");
    let schema = json!([{"name": "senha", "type": "password", "required": true}, {"name": "code", "type": "number"}]);
    let body = json!({"name": "secret", "queue_name": queue, "script_path": script, "entrypoint_type": "SHELL", "parameter_schema": schema,
        "default_params": {"pin": "s3cret-default"}, "retry_policy": {"max_attempts": 2, "base_s": 0}});
    let automation: api_types::Automation = client.post("/api/v1/automations", &body).await.json().await.unwrap();
    let execute = format!("/api/v1/automations/{}/execute", automation.id);
    let worker = |folder: &str, key: [&str; 2]| {
        let common = ["worker", "--server", &address, "--queue", &queue, "--log", "trace", "--name", folder, "--work-dir", folder];
        place.start(&[&common[..], &key].concat())
    };
    let by_key = worker("one", ["--key-file", "data/worker-key"]);
    for code in [0, 3] {
        let job: api_types::Job = client.post(&execute, &json!({"senha": "s3cret-parameter", "code": code})).await.json().await.unwrap();
        let ended = client.ended(job.id).await;
        let expected = if code == 0 { (Status::Completed, None) } else { (Status::Failed, Some(ErrorClass::RobotError)) };
        assert_eq!((ended.status, ended.error_class), expected, "{:?}", ended.error_message);
    }
    assert_eq!(client.post(&execute, &json!({"senha": ["s3cret-parameter"]})).await.status(), 422);
    assert_eq!(sign_in(&address, "s3cret-guess").await.0, 401);
    let hook =
        json!({"automation_id": automation.id, "name": "outside", "signature": {"scheme": "bearer"}, "secret": "s3cret-of-a-sender"});
    let hook: HookShown = client.post("/api/v1/hooks", &hook).await.json().await.unwrap();
    let to_hook = format!("/api/v1/hooks/{}", hook.token.as_deref().unwrap());
    let sender = ::client::Client::new(::client::Settings::new(&address)).unwrap();
    for (credential, status) in [("Bearer s3cret-of-a-sender", 422), ("Bearer s3cret-of-nobody", 401)] {
        let sent = sender.bare(reqwest::Method::POST, &to_hook).header("authorization", credential).json(&json!({"senha": "s3cret-body"}));
        assert_eq!(sent.send().await.unwrap().status(), status);
    }
    let ended = by_key.stop().await;
    let by_token = worker("two", ["--key", &made.token]);
    let job: api_types::Job = client.post(&execute, &json!({"senha": "s3cret-parameter", "code": 0})).await.json().await.unwrap();
    assert_eq!(client.ended(job.id).await.status, Status::Completed);
    let (by_token, hub) = (by_token.stop().await, hub.stop().await);
    for (who, ended) in [("hub", &hub), ("worker", &ended), ("worker with a token", &by_token)] {
        let said = format!("{}{}", ended.out, ended.err);
        assert!(said.contains("TRACE"), "{who} tells all");
        for secret in [
            PASSWORD,
            &broker_password,
            &token.clone().unwrap(),
            &key,
            &made.token,
            &to_hook[20..],
            "s3cret-of-",
            "s3cret-body",
            "s3cret-parameter",
            "s3cret-default",
            "s3cret-result",
            "s3cret-guess",
        ] {
            let line = said.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{who} tells {secret}: {line:?}");
        }
    }
}

/// All that a robot can see of its supervisor and its worker. It is given the secrets in halves, which are nowhere whole.
const SPY: &str = "pid=$PPID
for level in supervisor worker; do
  for file in environ cmdline; do
    if tr '\\0' '\\n' < /proc/$pid/$file 2> /dev/null | grep -q -e \"$PARAM_KEY_A$PARAM_KEY_B\" -e \"$PARAM_BROKER_A$PARAM_BROKER_B\"; then echo \"found in $file of $level\"; fi
    tr -d '\\0' < /proc/$pid/$file | grep -q . || echo \"$file of $level cannot be read, or is empty\"
  done
  pid=$(sed 's/.*) . //' /proc/$pid/stat | cut -d ' ' -f 1)
done
echo looked
";

#[tokio::test]
async fn a_robot_cannot_find_the_workers_key_in_its_ancestors() {
    let amqp = test_support::amqp_url().unwrap();
    let broker_password = format!(":{}@", amqp.split([':', '@']).nth(2).unwrap());
    let place = place().with("REGENTE__BROKER__URL", &amqp);
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    let client = Client::new(&address, PASSWORD).await;
    let queue = format!("spies-{}", uuid::Uuid::new_v4().simple());
    let automation = client.shell(&queue, &place.write("spy.sh", SPY)).await;
    let key = std::fs::read_to_string(place.path("data/worker-key")).unwrap().trim().to_owned();
    let (key_halves, broker_halves) = (key.split_at(key.len() / 2), broker_password.split_at(broker_password.len() / 2));
    let halves = json!({"key_a": key_halves.0, "key_b": key_halves.1, "broker_a": broker_halves.0, "broker_b": broker_halves.1});
    let common = ["worker", "--server", &address, "--queue", &queue, "--work-dir", "work"];
    let mut place = place.with("REGENTE__BROKER__URL", "");
    let by_arguments = [&common[..], &["--key", &key, "--amqp", &amqp]].concat();
    for environment in [false, true] {
        if environment {
            place = place.with("REGENTE_WORKER_KEY", &key).with("REGENTE_AMQP_URL", &amqp);
        }
        let worker = place.start(if environment { &common } else { &by_arguments });
        let job = client.execute_with(&automation, halves.clone()).await;
        assert_eq!(client.ended(job.id).await.status, Status::Completed);
        assert_eq!(client.messages(job.id).await, ["looked"], "given in the environment: {environment}");
        worker.stop().await;
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_worker_key_of_an_earlier_version_stays_valid_and_is_written_again() {
    let place = Place::new();
    place.write("data/worker-key", "key-of-an-earlier-version\n");
    for _ in 0..2 {
        let mut hub = place.start(&["up"]);
        let client = ::client::Client::new(::client::Settings::new(hub.address().await)).unwrap();
        let register = client.bare(reqwest::Method::POST, "/api/v1/worker/register");
        let body = serde_json::json!({"name": "w", "queues": ["q"], "slots": 1});
        let answer = register.header("X-Worker-API-Key", "key-of-an-earlier-version").json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        hub.stop().await;
        assert_eq!(std::fs::read_to_string(place.path("data/worker-key")).unwrap(), "key-of-an-earlier-version\n");
        std::fs::remove_file(place.path("data/worker-key")).unwrap();
    }
}

/// The shared worker key of a database that somebody else has made or changed.
struct Past(sqlx::SqliteConnection);

impl Past {
    async fn open(place: &Place) -> Self {
        Self(sqlx::SqliteConnection::connect(&format!("sqlite://{}", place.path("data/regente.db").display())).await.unwrap())
    }

    async fn run(&mut self, statements: &'static str) {
        sqlx::raw_sql(statements).execute(&mut self.0).await.unwrap();
    }

    async fn count(&mut self, of: &'static str) -> i64 {
        sqlx::query_scalar(of).fetch_one(&mut self.0).await.unwrap()
    }
}

#[tokio::test]
async fn a_worker_key_in_plain_is_sealed_and_goes_with_the_last_replica_of_another_version() {
    const PLAIN: &str = "SELECT count(*) FROM instance_settings WHERE key = 'worker_key'";
    const SEALED: &str = "SELECT count(*) FROM secrets WHERE purpose = 'worker_key'";
    let place = Place::new();
    let serves = async |key: &str| {
        let mut hub = place.start(&["up"]);
        let client = ::client::Client::new(::client::Settings::new(hub.address().await)).unwrap();
        let register = client.bare(reqwest::Method::POST, "/api/v1/worker/register").header("X-Worker-API-Key", key);
        let status = register.json(&json!({"name": "w", "queues": ["q"], "slots": 1})).send().await.unwrap().status();
        hub.stop().await;
        status
    };
    let mut hub = place.start(&["up"]);
    hub.address().await;
    hub.stop().await;
    let key = std::fs::read_to_string(place.path("data/worker-key")).unwrap().trim().to_owned();
    for file in ["data/regente.db", "data/regente.db-wal"] {
        let bytes = std::fs::read(place.path(file)).unwrap_or_default();
        assert!(!bytes.windows(key.len()).any(|part| part == key.as_bytes()), "{file}");
    }
    assert_eq!(serves(&key).await, 200, "the next start has the same");

    // As an earlier version left it, of which another replica is alive.
    let mut past = Past::open(&place).await;
    past.run(
        "DELETE FROM secrets WHERE purpose = 'worker_key'; INSERT INTO instance_settings (key, value) VALUES ('worker_key', 'key-in-plain'); \
         INSERT INTO replicas (id, version, started_at, last_seen_at) \
         VALUES (x'00000000000070008000000000000001', '0.0.9', '2020-01-01T00:00:00+00:00', '2999-01-01T00:00:00+00:00')",
    )
    .await;
    assert_eq!(serves("key-in-plain").await, 200);
    assert_eq!((past.count(SEALED).await, past.count(PLAIN).await), (1, 1), "that one may start again");
    past.run("DELETE FROM replicas WHERE version = '0.0.9'").await;
    assert_eq!(serves("key-in-plain").await, 200);
    assert_eq!((past.count(SEALED).await, past.count(PLAIN).await), (1, 0));
    assert_eq!(serves("key-in-plain").await, 200);
    past.0.close().await.unwrap();

    // A service that has no master key cannot know it.
    std::fs::remove_file(place.path("data/master.key")).unwrap();
    let refused = place.run(&["orchestrator"]).await;
    assert!(refused.one_line().contains("worker.api_key"), "{refused:?}");
    let mut given =
        place.again().with("REGENTE__HTTP__BIND", "127.0.0.1:0").with("REGENTE__WORKER__API_KEY", "key-in-plain").start(&["orchestrator"]);
    given.address().await;
    given.stop().await;
}

/// What bad requests leave in the log: who can find them by the ids of their answers, and nothing that they had with them.
#[tokio::test]
async fn bad_requests_are_logged_by_their_trace_and_without_their_secrets() {
    let place = place().with("REGENTE__LOG__FORMAT", "json").with("REGENTE__LOG__FILTER", "trace");
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    let client = ::client::Client::new(::client::Settings::new(&address)).unwrap();
    let (_, token) = sign_in(&address, PASSWORD).await;
    let token = token.unwrap();
    let tampered = format!("{}x{}", &token[..token.len() - 9], &token[token.len() - 8..]);
    let none = format!("eyJhbGciOiJub25lIn0.{}.", token.split('.').nth(1).unwrap());
    let (login, jobs) = ("/api/v1/auth/login", "/api/v1/jobs");
    let get = |name: &str, value: &str| client.bare(reqwest::Method::GET, jobs).header(name, value);
    let post =
        |path: &str, kind: &str, body: &str| client.bare(reqwest::Method::POST, path).header("content-type", kind).body(body.to_owned());
    let bad = [
        (401, get("authorization", &format!("Bearer {tampered}"))),
        (401, get("authorization", &format!("Bearer {none}"))),
        (401, get("authorization", "Basic s3cret-basic")),
        (401, get("x-api-key", "rgk_s3cret-key")),
        (401, get("x-worker-api-key", "s3cret-worker-key")),
        (401, post("/api/v1/auth/refresh", "application/json", r#"{"refresh_token": "rgr_s3cret-refresh"}"#)),
        (401, post(login, "application/json", r#"{"username": "admin", "password": "s3cret-password"}"#)),
        (422, post(login, "application/json", r#"{"username": "admin", "password": ["s3cret-type"]}"#)),
        (400, post(login, "application/json", r#"{"username": "admin", "password": "s3cret-cut"#)),
        (400, post(login, "text/xml", "<password>s3cret-xml</password>")),
        (400, post(login, "application/x-www-form-urlencoded", "username=admin&password=s3cret-form")),
        (400, post(login, "multipart/form-data; boundary=x", "--x\r\n\r\ns3cret-part\r\n--x--")),
        (422, post("/auth/token", "application/json", r#"{"username": "admin", "password": "s3cret-json"}"#)),
        (400, client.bare(reqwest::Method::GET, "/api/v1/jobs?token=s3cret-query").bearer_auth(&token)),
        (400, client.bare(reqwest::Method::GET, "/api/v1/jobs%2Fs3cret-path")),
    ];
    let mut traces = Vec::new();
    for (status, request) in bad {
        let answer = request.send().await.unwrap();
        let (found, problem): (u16, api_types::Problem) = (answer.status().as_u16(), answer.json().await.unwrap());
        assert_eq!(found, status, "{problem:?}");
        assert!(!format!("{problem:?}").contains("s3cret-"), "{problem:?}");
        traces.push(problem.trace_id.unwrap());
    }
    let ended = hub.stop().await;
    let lines: Vec<serde_json::Value> = ended.out.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for trace in &traces {
        assert!(lines.iter().any(|line| line["trace_id"] == json!(trace)), "nothing is logged of {trace}");
    }
    let about_requests: Vec<_> = lines.iter().filter(|line| line.to_string().contains("request refused")).collect();
    assert!(about_requests.len() >= traces.len(), "{about_requests:?}");
    for line in about_requests {
        assert!(line["trace_id"].is_string() && line["request_id"].is_string(), "{line}");
    }
    for secret in [PASSWORD, "s3cret-", &token, &tampered, &none] {
        let line = format!("{}{}", ended.out, ended.err).lines().find(|line| line.contains(secret)).map(str::to_owned);
        assert!(line.is_none(), "{secret}: {line:?}");
    }
}
