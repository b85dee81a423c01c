//! What nobody may read in a log.

use api_types::WorkerTokenCreated;
use domain::job::{ErrorClass, Status};
use serde_json::json;

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
