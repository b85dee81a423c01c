//! Commands that ask a hub: signing in, automations, jobs.

use std::os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _};

use api_types::{Automation, Job, LogLine};
use domain::job::Status;
use serde_json::{Value, json};

use crate::{
    client::{Client, PASSWORD},
    process::{Ended, Place, Running},
};

const HELLO: &str = "import json, sys\nconfig = json.load(open(sys.argv[2]))\nprint('olá', config['name'], flush=True)\nprint('fim', flush=True)\n\
    json.dump({'greeted': config['name']}, open('result.json', 'w'), ensure_ascii=False)\n";
const SCHEMA: &str = r#"{"type": "object", "required": ["name"], "additionalProperties": false, "properties": {
    "name": {"type": "string"}, "year": {"type": "integer"}, "dry": {"type": "boolean"}, "cnpjs": {"type": "array", "items": {"type": "string"}}}}"#;

/// A hub that runs jobs itself, where somebody signed in.
pub(crate) async fn signed_in() -> (Place, Running) {
    let (place, hub) = started(Place::new().with("REGENTE__WORKER__LOCAL", "auto")).await;
    login(&place).await;
    (place, hub)
}

/// A hub that runs no jobs.
pub(crate) async fn idle() -> (Place, Running) {
    let (place, hub) = started(Place::new()).await;
    login(&place).await;
    (place, hub)
}

async fn started(place: Place) -> (Place, Running) {
    let place = place.with("REGENTE__ADMIN__PASSWORD", PASSWORD);
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    (place.with("REGENTE_URL", &address), hub)
}

async fn login(place: &Place) {
    let ended = place.run_with_input(&["login", "--password-stdin"], format!("{PASSWORD}\n").as_bytes()).await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.out.starts_with("Signed in at http://127.0.0.1:") && ended.out.contains(" as admin until 2"), "{ended:?}");
}

/// Runs it to a good end.
pub(crate) async fn done(place: &Place, arguments: &[&str]) -> Ended {
    let ended = place.run(arguments).await;
    assert_eq!(ended.status.code(), Some(0), "{arguments:?}: {ended:?}");
    ended
}

/// Runs it to an end with this exit code, and gives what it says.
pub(crate) async fn refused(place: &Place, arguments: &[&str], code: i32) -> String {
    let ended = place.run(arguments).await;
    assert_eq!((ended.status.code(), ended.out.as_str()), (Some(code), ""), "{arguments:?}: {ended:?}");
    let said = ended.err.strip_prefix("regente: ").unwrap_or_else(|| panic!("{ended:?}"));
    crate::process::assert_plain(said);
    said.trim_end().to_owned()
}

/// The automation `saudação`, which greets.
async fn greeting(place: &Place) -> Automation {
    place.write("data/robots/hello.py", HELLO);
    let schema = place.write("schema.json", SCHEMA);
    let create = ["automation", "create", "saudação", "--script", "robots/hello.py", "--schema", &schema, "-o", "json"];
    serde_json::from_str(&done(place, &create).await.out).unwrap()
}

/// The job in an output.
pub(crate) fn job(ended: &Ended) -> Job {
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

#[tokio::test]
async fn a_first_robot_needs_no_other_program() {
    let (place, hub) = signed_in().await;
    place.write("data/robots/hello.py", HELLO);
    let created = done(&place, &["automation", "create", "hello", "--script", "robots/hello.py", "--description", "Saudação"]).await;
    assert!(created.out.contains("Automation hello is registered (id 1, queue hello)."), "{created:?}");
    let ran = done(&place, &["run", "hello", "-p", "name=Conceição", "--follow"]).await;
    let lines: Vec<_> = ran.out.lines().collect();
    assert!(lines[0].ends_with(" INFO     olá Conceição") && lines[1].ends_with(" INFO     fim"), "{ran:?}");
    assert_eq!(lines[2..], ["{", "  \"greeted\": \"Conceição\"", "}"], "the log in its order, then the result");
    assert!(ran.err.contains(" is completed after "), "{ran:?}");
    let listed = done(&place, &["job", "list"]).await;
    assert!(listed.out.lines().nth(1).unwrap().contains("  hello       completed  "), "{listed:?}");
    let id = listed.out.lines().nth(1).unwrap().split(' ').next().unwrap();
    let shown = done(&place, &["job", "show", id]).await;
    for words in ["automation     hello (id 1)\n", "status         completed\n", "\"name\": \"Conceição\"", "\"greeted\": \"Conceição\""]
    {
        assert!(shown.out.contains(words), "{words} in {}", shown.out);
    }
    let logged = done(&place, &["job", "logs", id]).await;
    assert_eq!(logged.out.lines().map(|line| line.split(" INFO     ").nth(1).unwrap()).collect::<Vec<_>>(), ["olá Conceição", "fim"]);
    let shown = done(&place, &["automation", "show", "hello"]).await;
    assert!(shown.out.contains("description    Saudação\n") && shown.out.contains("script         robots/hello.py\n"), "{shown:?}");
    assert_eq!(done(&place, &["automation", "show", "1"]).await.out, shown.out, "its id will do");
    hub.stop().await;
}

#[tokio::test]
async fn a_failed_sign_in_reports_why() {
    let (place, hub) = started(Place::new()).await;
    let said = refused(&place, &["job", "list"], 77).await;
    assert!(said.starts_with("not signed in at http://127.0.0.1:") && said.contains("run `regente login http://"), "{said}");
    let wrong = place.run_with_input(&["login", "--password-stdin"], "não é\n".as_bytes()).await;
    assert_eq!((wrong.status.code(), wrong.one_line()), (Some(77), "regente: wrong user name or password"));
    for input in [&b""[..], b"\n", b"caf\xe9\n"] {
        let ended = place.run_with_input(&["login", "--password-stdin"], input).await;
        assert_eq!(ended.status.code(), Some(65), "{ended:?}");
        assert!(ended.one_line().contains("password"), "{ended:?}");
    }
    let said = refused(&place, &["login"], 65).await;
    assert!(said.contains("--password-stdin"), "nobody is there to ask: {said}");
    let said = refused(&place, &["login", "localhost:8080"], 65).await;
    assert!(said.contains("\"localhost:8080\" is not the address of a hub"), "{said}");
    let said = refused(&place, &["login", "maria"], 65).await;
    assert!(said.contains("\"maria\" is not the address of a hub") && said.contains("--username maria"), "{said}");
    assert!(!place.path(".config").exists(), "nothing is kept of what failed");
    hub.stop().await;
    let said = refused(&place, &["login"], 69).await;
    assert!(
        said.contains("no hub answers at http://127.0.0.1:") && said.contains("is `regente up` running? Set another address with --url"),
        "{said}"
    );
    assert_eq!(refused(&place, &["run", "x", "-f"], 69).await, said);
}

#[tokio::test]
async fn a_sign_in_is_for_its_user_alone_until_it_ends() {
    let (place, hub) = idle().await;
    let (folder, file) = (place.path(".config/regente"), place.path(".config/regente/credentials.json"));
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left there");
    let token =
        |file: &str| serde_json::from_str::<Value>(file).unwrap()["hubs"].as_object().unwrap().values().next().unwrap()["token"].clone();
    let kept = std::fs::read_to_string(&file).unwrap();
    // Without REGENTE_URL the hub of the last sign-in is asked.
    let elsewhere = place.again().with("REGENTE_TOKEN", token(&kept).as_str().unwrap());
    done(&place.again(), &["job", "list"]).await;

    let without_refresh = |text: &str| {
        let mut stored: Value = serde_json::from_str(text).unwrap();
        for hub in stored["hubs"].as_object_mut().unwrap().values_mut() {
            hub.as_object_mut().unwrap().retain(|name, _| !name.starts_with("refresh_"));
        }
        serde_json::to_string_pretty(&stored).unwrap()
    };
    std::fs::write(&file, without_refresh(&kept).replace("expires_at\": \"2", "expires_at\": \"1")).unwrap();
    let said = refused(&place, &["job", "list"], 77).await;
    assert!(said.contains("has expired: run `regente login http://"), "{said}");
    done(&elsewhere, &["job", "list"]).await;
    let said = refused(&elsewhere.with("REGENTE_TOKEN", "abc.def"), &["job", "list"], 77).await;
    assert!(said.contains("REGENTE_TOKEN") && !said.contains("abc.def"), "{said}");
    // A token that the hub itself does not take.
    std::fs::write(&file, without_refresh(&kept).replace(token(&kept).as_str().unwrap(), "x.y.z")).unwrap();
    let said = refused(&place, &["automation", "list"], 77).await;
    assert!(said.contains("has expired: run `regente login http://"), "{said}");
    std::fs::write(&file, "{").unwrap();
    assert!(refused(&place, &["job", "list"], 1).await.contains("credentials.json is damaged"));
    std::fs::write(&file, kept).unwrap();
    let out = done(&place, &["logout"]).await.out;
    assert!(out.starts_with("Signed out of http://127.0.0.1:"), "{out}");
    assert!(done(&place, &["logout"]).await.out.starts_with("Nobody was signed in at "));
    assert!(refused(&place, &["job", "list"], 77).await.contains("not signed in"));
    hub.stop().await;
}

#[tokio::test]
async fn json_is_the_api_s_own() {
    let (place, hub) = signed_in().await;
    let client = Client::new(place.variable("REGENTE_URL"), PASSWORD).await;
    let automation = greeting(&place).await;
    let ended = job(&done(&place, &["run", "saudação", "-p", "name=Zé", "-o", "json", "-f"]).await);
    assert_eq!((ended.status, ended.result.clone()), (Status::Completed, Some(json!({"greeted": "Zé"}))));
    for (arguments, path) in [
        (vec!["job", "show", &ended.id.to_string(), "-o", "json"], format!("jobs/{}", ended.id)),
        (vec!["automation", "show", "saudação", "--output", "json"], format!("automations/{}", automation.id)),
    ] {
        let body = client.response(&format!("/api/v1/{path}")).await.unwrap().text().await.unwrap();
        assert_eq!(done(&place, &arguments).await.out.trim_end(), body);
    }
    let jobs: Vec<Job> = serde_json::from_str(&done(&place, &["job", "list", "-o", "json"]).await.out).unwrap();
    assert_eq!(jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [ended.id]);
    let automations: Vec<Automation> = serde_json::from_str(&done(&place, &["automation", "list", "-o", "json"]).await.out).unwrap();
    assert_eq!(automations, [automation]);
    let lines: Vec<LogLine> = serde_json::from_str(&done(&place, &["job", "logs", &ended.id.to_string(), "-o", "json"]).await.out).unwrap();
    assert_eq!(lines.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["olá Zé", "fim"]);
    let none: Vec<Job> = serde_json::from_str(&done(&place, &["job", "list", "--status", "failed", "-o", "json"]).await.out).unwrap();
    assert_eq!(none, Vec::new());
    hub.stop().await;
}

#[tokio::test]
async fn parameters_become_what_the_schema_says_or_the_hub_says_what_is_wrong() {
    let (place, hub) = idle().await;
    greeting(&place).await;
    let file = place.write("parameters.json", "\u{feff}{\"name\": \"do arquivo\", \"year\": 1}");
    let parameters = async |words: &[&str]| job(&done(&place, &[&["run", "saudação", "-o", "json"], words].concat()).await).parameters;
    for (words, expected) in [
        (&["-p", "name=a=b 'c' \"d\" $HOME\n\\n", "-p", "year=2026"][..], json!({"name": "a=b 'c' \"d\" $HOME\n\\n", "year": 2026})),
        (&["-p", "name=", "-p", "dry=true"], json!({"name": "", "dry": true})),
        (&["-p", "name=12", "-p", "cnpjs=007", "-p", "cnpjs=Ação"], json!({"name": "12", "cnpjs": ["007", "Ação"]})),
        (&["--param-file", &file, "-p", "year=2"], json!({"name": "do arquivo", "year": 2})),
        (&["-p", "name=--follow", "--priority", "9"], json!({"name": "--follow"})),
    ] {
        assert_eq!(Value::Object(parameters(words).await), expected, "{words:?}");
    }
    let said = refused(&place, &["run", "saudação", "-p", "year=vinte", "-p", "dry=sim", "-p", "name=x"], 65).await;
    assert!(said.starts_with("the hub refused the input:\n") && said.contains("\n  year: ") && said.contains("\n  dry: "), "{said}");
    for (arguments, code, words) in [
        (&["run", "saudação"][..], 65, "name"),
        (&["run", "saudação", "-p", "name=x", "-p", "nome=y"], 65, "nome"),
        (&["run", "saudação", "-p", "name=x", "-p", "name=y"], 65, "parameter name is given more than once"),
        (&["run", "saudação", "--param-file", "none.json"], 65, "cannot read none.json: "),
        (&["run", "saudação", "--param-file", &place.write("list.json", "[1]")], 65, "list.json is not a JSON object with the parameters"),
        (&["run", "saudação", "-p", "name=x", "--priority", "99"], 65, "priority"),
        (&["run", "outra"], 1, "there is no automation \"outra\" at http://"),
        (&["run", "77"], 1, "there is no automation \"77\""),
        (&["automation", "create", "saudação", "--script", "x.py"], 1, "saudação"),
        (&["automation", "create", "x", "--script", "x.py", "--timeout-s", "0"], 65, "timeout_s: "),
        (&["automation", "create", "-F", &place.write("bad.json", "{\"nome\": 1}")], 65, "unknown field `nome`"),
        (&["job", "list", "--status", "done"], 65, "status: "),
        (&["job", "show", "01a21749-29aa-7293-a063-5bc91984c1a9"], 1, "not found"),
    ] {
        let said = refused(&place, arguments, code).await;
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    for usage in [&["run", "saudação", "-p", "name"][..], &["run", "saudação", "--cancel-on-interrupt"], &["job", "show", "x"]] {
        assert_eq!(place.run(usage).await.status.code(), Some(2), "{usage:?}");
    }
    let not_utf8 = std::process::Command::new(env!("CARGO_BIN_EXE_regente"))
        .args(["run", "x", "-p"])
        .arg(std::ffi::OsStr::from_bytes(b"name=\xff"))
        .output()
        .unwrap();
    assert_eq!(not_utf8.status.code(), Some(2), "{not_utf8:?}");
    let piped = place.run_with_input(&["run", "saudação", "--param-file", "-", "-o", "json"], r#"{"name": "çã"}"#.as_bytes()).await;
    assert_eq!(Value::Object(job(&piped).parameters), json!({"name": "çã"}));
    let again = ["run", "saudação", "-p", "name=x", "--idempotency-key", "k", "-o", "json"];
    assert_eq!(job(&done(&place, &again).await).id, job(&done(&place, &again).await).id);
    hub.stop().await;
}

#[tokio::test]
async fn jobs_are_canceled_and_retried() {
    let (place, hub) = idle().await;
    greeting(&place).await;
    let first = job(&done(&place, &["run", "saudação", "-p", "name=x", "-p", "year=1", "-o", "json"]).await);
    let id = first.id.to_string();
    assert!(refused(&place, &["job", "retry", &id], 1).await.contains("pending"));
    let canceled = done(&place, &["job", "cancel", &id, "--reason", "não precisa"]).await;
    assert_eq!(canceled.out, format!("Job {id} is canceled.\n"));
    assert!(refused(&place, &["job", "cancel", &id], 1).await.contains("canceled"));
    let second = job(&done(&place, &["job", "retry", &id, "-p", "year=2", "--priority", "7", "-o", "json"]).await);
    assert_eq!((second.retry_of, second.priority, Value::Object(second.parameters)), (Some(first.id), 7, json!({"name": "x", "year": 2})));
    let file = place.write("other.json", "{\"name\": \"y\"}");
    let third = job(&done(&place, &["job", "retry", &id, "--param-file", &file, "-o", "json"]).await);
    assert_eq!((third.priority, Value::Object(third.parameters)), (5, json!({"name": "y"})));
    hub.stop().await;
}

#[tokio::test]
async fn a_list_continues_over_a_thousand_jobs() {
    let (place, hub) = idle().await;
    let client = Client::new(place.variable("REGENTE_URL"), PASSWORD).await;
    let automation = client.shell("muitos", "x.sh").await;
    let all = 1_030;
    for _ in 0..all / 103 {
        let requests = (0..103).map(|_| client.execute(&automation));
        futures_util::future::join_all(requests).await;
    }
    let mut seen = std::collections::BTreeSet::new();
    let jobs: Vec<Job> = serde_json::from_str(&done(&place, &["job", "list", "--all", "-o", "json"]).await.out).unwrap();
    assert!(jobs.iter().all(|job| seen.insert(job.id)) && seen.len() == all, "{} of {}", seen.len(), jobs.len());
    for (arguments, rows, more) in
        [(&["--limit", "1010"][..], 1_010, true), (&["--all"], all, false), (&[], 50, true), (&["--limit", "0"], 0, true)]
    {
        let listed = done(&place, &[&["job", "list", "--automation", "muitos"], arguments].concat()).await;
        assert_eq!((listed.out.lines().count(), listed.err.contains("there are more")), (rows + 1, more), "{arguments:?}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn completions_are_scripts_of_their_shells() {
    let place = Place::new();
    for (shell, words) in [("bash", "complete -F _regente"), ("zsh", "#compdef regente"), ("fish", "complete -c regente")] {
        assert!(done(&place, &["completions", shell]).await.out.contains(words), "{shell}");
    }
}

#[tokio::test]
async fn a_sign_in_outlasts_its_access_tokens_whichever_commands_run() {
    let (place, hub) = idle().await;
    let file = place.path(".config/regente/credentials.json");
    let stored = || -> Value { serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap() };
    let field =
        |stored: &Value, name: &str| stored["hubs"].as_object().unwrap().values().next().unwrap()[name].as_str().unwrap().to_owned();
    let stale = || {
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace(&field(&stored(), "token"), "x.y.z")).unwrap();
    };
    for _ in 0..3 {
        stale();
        let before = stored();
        // Each finds the stale token; one refreshes, the others use what it got.
        let mut commands: Vec<_> = (0..4).map(|_| place.start(&["job", "list"])).collect();
        while let Some(command) = commands.pop() {
            let ended = command.ended(std::time::Duration::from_secs(60)).await;
            assert!(ended.status.success(), "{ended:?}");
        }
        let after = stored();
        assert_ne!(field(&before, "refresh_token"), field(&after, "refresh_token"));
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(std::fs::read_dir(place.path(".config/regente")).unwrap().count(), 1, "nothing else is left there");
    let refresh_token = field(&stored(), "refresh_token");
    done(&place, &["logout"]).await;
    let client = ::client::Client::new(::client::Settings::new(place.variable("REGENTE_URL"))).unwrap();
    assert_eq!(client.refresh(&refresh_token).await.err().and_then(|error| error.status()), Some(401), "the hub ended the session");
    hub.stop().await;
}
