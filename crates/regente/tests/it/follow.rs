//! Jobs that are followed at the command line: their log, their end as exit code, interruptions, a hub that starts again.

use std::time::Duration;

use domain::job::Status;
use serde_json::{Value, json};
use test_support::{Proxy, eventually};

use crate::{
    client::{Client, PASSWORD},
    hub_commands::{done, idle, job, signed_in},
    process::{Place, Running},
    worker::start,
};

const LIMIT: Duration = Duration::from_secs(60);
/// Says that it has begun, and waits until the test lets it end.
const WAITS: &str = "echo begun; while [ ! -e \"$PARAM_GO\" ]; do sleep 0.02; done; echo ended\n";

/// An automation of this shell script.
async fn shell(place: &Place, name: &str, script: &str) {
    let path = place.write(&format!("data/{name}.sh"), script);
    done(place, &["automation", "create", name, "--script", &path, "--type", "shell"]).await;
}

/// The parameter that names the file which `WAITS` waits for.
fn go(place: &Place) -> String {
    format!("go={}", place.path("go").display())
}

async fn newest(place: &Place) -> api_types::Job {
    let jobs: Vec<api_types::Job> = serde_json::from_str(&done(place, &["job", "list", "-o", "json"]).await.out).unwrap();
    jobs.into_iter().next().unwrap()
}

fn messages(out: &str) -> Vec<&str> {
    out.lines().filter_map(|line| line.split(" INFO     ").nth(1)).collect()
}

#[tokio::test]
async fn the_end_of_a_job_is_the_exit_code() {
    let (place, hub) = signed_in().await;
    let lines = "for i in 1 2 3 4 5 6 7 8 9; do echo linha $i; done\n";
    for (name, script, code, said) in [
        ("bem", format!("{lines}echo '{{\"n\": 1}}' > result.json"), 0, "is completed after"),
        ("nada", format!("{lines}echo '{{\"status\": \"completed_no_invoices\"}}' > result.json"), 0, "is completed"),
        ("mal", format!("{lines}echo acabou >&2; exit 7"), 3, "is failed after"),
    ] {
        shell(&place, name, &script).await;
        let ended = place.run(&["run", name, "--follow"]).await;
        assert_eq!(ended.status.code(), Some(code), "{name}: {ended:?}");
        assert!(ended.err.contains(said), "{ended:?}");
        assert_eq!(messages(&ended.out), (1..10).map(|n| format!("linha {n}")).collect::<Vec<_>>(), "{ended:?}");
        let again = place.run(&["job", "logs", "-f", &newest(&place).await.id.to_string()]).await;
        assert_eq!((again.status.code(), messages(&again.out)), (Some(code), messages(&ended.out)), "{again:?}");
    }
    hub.stop().await;
}

/// An automation of this shell script that is run again once, after so many seconds.
async fn retried(place: &Place, name: &str, script: &str, base_s: f64) {
    let policy = json!({"name": name, "script_path": place.write(&format!("data/{name}.sh"), script), "entrypoint_type": "SHELL",
        "retry_policy": {"max_attempts": 2, "base_s": base_s, "max_s": 600, "jitter": 0}});
    let file = place.write(&format!("{name}.json"), &policy.to_string());
    done(place, &["automation", "create", "--file", &file]).await;
}

#[tokio::test]
async fn each_attempt_of_a_job_is_followed_and_the_last_ones_end_is_the_exit_code() {
    let (place, hub) = signed_in().await;
    let marker = place.path("marker");
    let second = format!("if [ -e {0} ]; then echo dois; exit; fi; touch {0}; echo um; exit 7", marker.display());
    retried(&place, "depois", &second, 0.2).await;
    let ended = place.run(&["run", "depois", "--follow"]).await;
    let last = newest(&place).await;
    assert_eq!((ended.status.code(), messages(&ended.out), last.attempt), (Some(0), vec!["um", "dois"], 2), "{ended:?}");
    let said = format!("attempt 2 of 2 in 0.2 s, as job {}\n", last.id);
    assert!(ended.err.contains(&said) && ended.err.contains(&format!("job {} is completed after", last.id)), "{ended:?}");
    let first = last.retry_of.unwrap();
    assert!(ended.err.contains(&format!("job {first} is failed after")), "{ended:?}");
    let alone = place.run(&["job", "logs", "-f", &first.to_string()]).await;
    assert_eq!((alone.status.code(), messages(&alone.out)), (Some(3), vec!["um"]), "its own log and end: {alone:?}");

    retried(&place, "nunca", "echo mal; exit 7", 0.0).await;
    let ended = place.run(&["run", "nunca", "--follow", "-o", "json"]).await;
    assert_eq!((ended.status.code(), job(&ended).attempt, messages(&ended.err)), (Some(3), 2, vec!["mal", "mal"]), "{ended:?}");
    assert!(ended.err.contains("attempt 2 of 2 at once, as job "), "{ended:?}");
    hub.stop().await;
}

#[tokio::test]
async fn an_interrupt_between_attempts_means_the_next_one() {
    let (place, hub) = signed_in().await;
    retried(&place, "tarde", "exit 7", 600.0).await;
    for (option, code, status) in [(None, 130, Status::Pending), (Some("--cancel-on-interrupt"), 4, Status::Canceled)] {
        let following = place.start(&[&["run", "tarde", "--follow"][..], option.as_slice()].concat());
        eventually("the next attempt waits", async || following.err().contains("attempt 2 of 2 in 10 min 0 s").then_some(())).await;
        following.signal("INT");
        let ended = following.ended(LIMIT).await;
        let last = newest(&place).await;
        assert_eq!((ended.status.code(), last.attempt, last.status), (Some(code), 2, status), "{ended:?}");
        assert_eq!(ended.err.contains(&format!("job {} continues", last.id)), option.is_none(), "{ended:?}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_job_that_somebody_else_cancels_ends_as_canceled() {
    let (place, hub) = signed_in().await;
    shell(&place, "longo", WAITS).await;
    let mut following = place.start(&["run", "longo", "-f", "-p", &go(&place)]);
    following.printed("begun").await;
    done(&place, &["job", "cancel", &newest(&place).await.id.to_string()]).await;
    let ended = following.ended(LIMIT).await;
    assert!(ended.status.code() == Some(4) && ended.err.contains("is canceled"), "{ended:?}");
    hub.stop().await;
}

#[tokio::test]
async fn with_json_standard_output_is_the_job_alone() {
    let (place, hub) = signed_in().await;
    shell(&place, "bem", "echo um; echo '{\"n\": 1}' > result.json").await;
    let ended = done(&place, &["run", "bem", "-f", "-o", "json"]).await;
    assert_eq!((job(&ended).status, job(&ended).result), (Status::Completed, Some(json!({"n": 1}))));
    assert_eq!(messages(&ended.err), ["um"]);
    let lines = done(&place, &["job", "logs", "-f", "-o", "json", &job(&ended).id.to_string()]).await.out;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| line["message"].as_str().unwrap()).collect::<Vec<_>>(), ["um"]);
    hub.stop().await;
}

#[tokio::test]
async fn an_interrupt_detaches_from_the_job_or_cancels_it() {
    let (place, hub) = signed_in().await;
    let client = Client::new(place.variable("REGENTE_URL"), PASSWORD).await;
    shell(&place, "longo", WAITS).await;
    for signal in ["INT", "TERM"] {
        let mut following = place.start(&["run", "longo", "-f", "-p", &go(&place)]);
        following.printed("begun").await;
        following.signal(signal);
        let ended = following.ended(LIMIT).await;
        let id = newest(&place).await.id;
        assert_eq!(ended.status.code(), Some(130), "{ended:?}");
        assert!(ended.err.contains(&format!("job {id} continues; `regente job logs -f {id}` follows it again")), "{ended:?}");
        assert_eq!(client.0.job(id).await.unwrap().status, Status::Running);
        let mut following = place.start(&["job", "logs", "-f", &id.to_string()]);
        following.printed("begun").await;
        following.signal(signal);
        assert_eq!(following.ended(LIMIT).await.status.code(), Some(130));
        done(&place, &["job", "cancel", &id.to_string()]).await;
        assert_eq!(client.ended(id).await.status, Status::Canceled);

        let mut following = place.start(&["run", "longo", "-f", "--cancel-on-interrupt", "-p", &go(&place)]);
        following.printed("begun").await;
        following.signal(signal);
        let ended = following.ended(LIMIT).await;
        assert_eq!((ended.status.code(), newest(&place).await.status), (Some(4), Status::Canceled), "{ended:?}");
    }
    hub.stop().await;
}

/// `script` of util-linux gives the program a terminal of its own.
fn at_a_terminal(place: &Place, columns: u32, command: &str) -> Running {
    let program = env!("CARGO_BIN_EXE_regente");
    place.start_program("script", &["-qefc", &format!("stty rows 24 cols {columns}; exec {program} {command}"), "/dev/null"])
}

#[tokio::test]
async fn an_interrupt_at_the_terminal_asks_what_to_do() {
    let (place, hub) = signed_in().await;
    shell(&place, "longo", WAITS).await;
    let place = place.with("TERM", "xterm");
    let client = Client::new(place.variable("REGENTE_URL"), PASSWORD).await;
    let command = format!("run longo -f -p {}", go(&place));
    for (answer, code, status) in [("d\n", 130, Status::Running), ("c\n", 4, Status::Canceled), ("\u{3}", 130, Status::Running)] {
        let mut following = at_a_terminal(&place, 80, &command);
        following.printed("begun").await;
        following.type_in("\u{3}");
        following.printed("keep following [Enter]?").await;
        following.type_in(answer);
        let ended = following.ended(LIMIT).await;
        let job = newest(&place).await;
        assert_eq!((ended.status.code(), job.status), (Some(code), status), "{answer}: {ended:?}");
        if job.status == Status::Running {
            done(&place, &["job", "cancel", &job.id.to_string()]).await;
            assert_eq!(client.ended(job.id).await.status, Status::Canceled);
        }
    }
    let mut following = at_a_terminal(&place, 80, &command);
    following.printed("begun").await;
    following.type_in("\u{3}");
    following.printed("keep following [Enter]?").await;
    following.type_in("\n");
    place.write("go", "");
    let ended = following.ended(LIMIT).await;
    assert!(ended.status.code() == Some(0) && ended.out.contains("ended"), "{ended:?}");
    assert!(ended.out.contains("\u{1b}[32mINFO"), "levels are coloured: {ended:?}");
    hub.stop().await;
}

#[tokio::test]
async fn a_password_is_asked_for_and_not_shown() {
    let (place, hub) = idle().await;
    let mut login = at_a_terminal(&place, 80, "login");
    login.printed("Password of admin at http://").await;
    login.type_in(&format!("{PASSWORD}\n"));
    let ended = login.ended(LIMIT).await;
    assert!(ended.status.success() && ended.out.contains("Signed in at "), "{ended:?}");
    assert!(!ended.out.contains(PASSWORD), "{ended:?}");
    hub.stop().await;
}

#[tokio::test]
async fn tables_fit_the_terminal_whatever_the_alphabet() {
    let (place, hub) = idle().await;
    let long = "Lançamentos da Conceição: ações, operações e situações não resolvidas em São João da Boa Vista";
    for name in ["ação", "cafe\u{301}-ç", "acao"] {
        done(&place, &["automation", "create", name, "--script", "x.py", "--description", long]).await;
    }
    for columns in [80, 100] {
        let shown = at_a_terminal(&place, columns, "automation list").ended(LIMIT).await.out;
        let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
        assert_eq!(lines.len(), 4, "one line each: {shown}");
        let widths: Vec<usize> = lines.iter().map(|line| console::measure_text_width(line)).collect();
        assert!(widths.iter().all(|width| *width <= columns as usize), "{widths:?}: {shown}");
        let begin = |line: &str| line.find("active").map(|at| console::measure_text_width(&line[..at]));
        assert!(
            begin(lines[1]).is_some() && lines[2..].iter().all(|line| begin(line) == begin(lines[1])),
            "columns stand below each other: {shown}"
        );
        assert!(shown.contains('…'), "{shown}");
    }
    let whole = done(&place, &["automation", "list"]).await.out;
    assert_eq!(whole.matches(long).count(), 3, "nothing is cut where it is no terminal: {whole}");
    hub.stop().await;
}

#[tokio::test]
async fn a_job_is_followed_across_a_restart_of_the_hub() {
    let (place, hub) = idle().await;
    let front = Proxy::start(place.variable("REGENTE_URL").trim_start_matches("http://").to_owned()).await.unwrap();
    let token: Value = serde_json::from_str(&std::fs::read_to_string(place.path(".config/regente/credentials.json")).unwrap()).unwrap();
    let token = token["hubs"].as_object().unwrap().values().next().unwrap()["token"].as_str().unwrap().to_owned();
    shell(&place, "longo", WAITS).await;
    let url = format!("http://{}", front.address());
    let place = place.with("REGENTE_TOKEN", &token).with("REGENTE_URL", &url);
    let worker = start(&place, &url, "longo");
    let mut following = place.start(&["run", "longo", "-f", "-p", &go(&place)]);
    following.printed("begun").await;
    hub.kill();
    front.cut().await;
    eventually("it says that it tries again", async || following.err().contains("trying again").then_some(())).await;
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    front.switch(address.trim_start_matches("http://").to_owned());
    place.write("go", "");
    let ended = following.ended(LIMIT).await;
    assert_eq!((ended.status.code(), messages(&ended.out)), (Some(0), vec!["begun", "ended"]), "{ended:?}");
    worker.stop().await;
    hub.stop().await;
}

#[tokio::test]
async fn a_pending_job_has_a_reason() {
    let (place, hub) = idle().await;
    shell(&place, "espera", "true").await;
    let following = place.start(&["run", "espera", "-f"]);
    eventually("it says why", async || following.err().contains("the job is pending: ").then_some(())).await;
    assert!(following.err().contains("worker"), "{}", following.err());
    following.signal("INT");
    assert_eq!(following.ended(LIMIT).await.status.code(), Some(130));
    hub.stop().await;
}

#[tokio::test]
async fn output_of_robots_cannot_control_the_terminal() {
    let (place, hub) = signed_in().await;
    shell(&place, "mau", "printf 'a\\033[2Jb\\033]0;x\\007c\\n'; exit 1").await;
    let ended = place.run(&["run", "mau", "-f"]).await;
    assert!(ended.status.code() == Some(3) && !ended.out.contains(['\u{1b}', '\u{7}']) && ended.out.contains("ab"), "{ended:?}");
    hub.stop().await;
}

#[tokio::test]
async fn a_reader_that_is_gone_ends_it_silently() {
    let (place, hub) = signed_in().await;
    shell(&place, "muito", "i=0; while [ $i -lt 3000 ]; do echo linha $i; i=$((i+1)); done\n").await;
    done(&place, &["run", "muito", "-f"]).await;
    let id = newest(&place).await.id;
    let program = env!("CARGO_BIN_EXE_regente");
    let command = format!("{{ {program} job logs {id}; echo code $? >&2; }} | head -n 1");
    let ended = place.start_program("sh", &["-c", &command]).ended(LIMIT).await;
    assert_eq!((ended.out.lines().count(), ended.err.as_str()), (1, "code 141\n"), "{ended:?}");
    hub.stop().await;
}
