//! Pausing and resuming at the command line, and the lists that show it.

use api_types::{Automation, Job, Queue, Worker};
use domain::{job::Status, worker::State};
use serde::de::DeserializeOwned;
use test_support::eventually;

use crate::{
    hub_commands::{done, signed_in},
    process::Place,
};

async fn json<T: DeserializeOwned>(place: &Place, arguments: &[&str]) -> T {
    let ended = done(place, &[arguments, &["-o", "json"]].concat()).await;
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// What it prints, to its last space.
async fn said(place: &Place, arguments: &[&str]) -> String {
    done(place, arguments).await.out
}

async fn refused(place: &Place, arguments: &[&str]) -> String {
    let ended = place.run(arguments).await;
    assert_eq!((ended.status.code(), ended.out.as_str()), (Some(1), ""), "{arguments:?}: {ended:?}");
    ended.one_line().to_owned()
}

#[tokio::test]
async fn automations_and_queues_are_paused_and_resumed() {
    let (place, hub) = signed_in().await;
    let script = place.write("data/um.sh", "echo um");
    done(&place, &["automation", "create", "notas fiscais", "--script", &script, "--type", "shell", "--queue", "notas"]).await;
    done(&place, &["automation", "create", "outra", "--script", &script, "--type", "shell"]).await;
    let found: Vec<Automation> = json(&place, &["automation", "list", "--search", "NOTAS"]).await;
    assert_eq!(found.iter().map(|automation| automation.name.as_str()).collect::<Vec<_>>(), ["notas fiscais"]);

    let in_a_year = (chrono::Utc::now() + chrono::TimeDelta::days(365)).to_rfc3339();
    let until = ["--until", &in_a_year, "--reason", "manutenção"];
    let paused = said(&place, &[&["automation", "pause", "notas fiscais"][..], &until].concat()).await;
    assert!(paused.starts_with("Automation notas fiscais is paused until 20"), "{paused}");
    let shown = said(&place, &["automation", "show", "notas fiscais"]).await;
    assert!(shown.contains("state          paused\n") && shown.contains(" by admin: manutenção\n"), "{shown}");
    assert!(said(&place, &["automation", "list"]).await.contains("  paused  "));
    let waiting: Job = json(&place, &["run", "notas fiscais"]).await;
    assert_eq!(said(&place, &["automation", "resume", "1"]).await, "Automation notas fiscais is active.\n");
    assert!(refused(&place, &["automation", "resume", "notas fiscais"]).await.contains("not paused"));
    assert!(refused(&place, &["automation", "pause", "nenhuma"]).await.contains("there is no automation \"nenhuma\""));
    eventually("the job ran", async || {
        let job: Job = json(&place, &["job", "show", &waiting.id.to_string()]).await;
        (job.status == Status::Completed).then_some(())
    })
    .await;

    let queue: Queue = json(&place, &["queue", "pause", "notas", "--reason", "fim do mês"]).await;
    assert_eq!((queue.paused_by.as_deref(), queue.paused_reason.as_deref()), (Some("admin"), Some("fim do mês")));
    let listed = said(&place, &["queue", "list"]).await;
    let lines: Vec<_> = listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(lines[0], ["QUEUE", "WAITING", "RUNNING", "STATE", "PAUSED"], "{listed}");
    assert_eq!((&lines[1][..4], &lines[2][..4]), (&["notas", "0", "0", "paused"][..], &["outra", "0", "0", "active"][..]), "{listed}");
    assert!(listed.contains(" by admin: fim do mês"), "{listed}");
    assert_eq!(said(&place, &["queue", "resume", "notas"]).await, "Queue notas is active.\n");
    let queues: Vec<Queue> = json(&place, &["queue", "list"]).await;
    assert!(queues.len() == 2 && queues.iter().all(|queue| queue.paused_at.is_none()), "{queues:?}");
    hub.stop().await;
}

#[tokio::test]
async fn jobs_and_workers_are_paused_and_resumed() {
    let (place, hub) = signed_in().await;
    let script = place.write("data/longo.sh", "while [ ! -e \"$PARAM_GO\" ]; do sleep 0.02; done");
    done(&place, &["automation", "create", "longo", "--script", &script, "--type", "shell"]).await;
    let go = place.path("go");
    let running: Job = json(&place, &["run", "longo", "-p", &format!("go={}", go.display())]).await;
    let id = running.id.to_string();
    let is = async |status: Status| {
        let show = async || Some(json::<Job>(&place, &["job", "show", &id]).await).filter(|job| job.status == status);
        eventually(status.as_str(), show).await
    };
    is(Status::Running).await;
    assert_eq!(said(&place, &["job", "pause", &id, "--reason", "espera"]).await, format!("Job {id} is paused.\n"));
    is(Status::Paused).await;
    assert_eq!(said(&place, &["job", "resume", &id]).await, format!("Job {id} is running.\n"));
    assert!(refused(&place, &["job", "resume", &id]).await.contains("running"));

    let workers: Vec<Worker> = json(&place, &["worker", "list", "--state", "running", "--queue", "longo"]).await;
    let [Worker { name, .. }] = workers.as_slice() else { panic!("{workers:?}") };
    assert_eq!(said(&place, &["worker", "pause", name]).await, format!("Worker {name} is paused until somebody resumes it.\n"));
    let listed = said(&place, &["worker", "list"]).await;
    assert!(listed.starts_with("WORKER ") && listed.lines().nth(1).unwrap().contains("  paused  "), "{listed}");
    assert!(said(&place, &["worker", "list", "--state", "running", "-o", "json"]).await.starts_with("[]"));
    let resumed: Worker = json(&place, &["worker", "resume", &workers[0].id.to_string()]).await;
    assert_eq!((resumed.name.as_str(), resumed.state), (name.as_str(), State::Running));
    assert!(refused(&place, &["worker", "pause", "ninguém"]).await.contains("there is no worker \"ninguém\""));
    assert_eq!(place.run(&["worker", "list", "--state", "well"]).await.status.code(), Some(2));
    std::fs::write(go, "").unwrap();
    is(Status::Completed).await;
    hub.stop().await;
}
