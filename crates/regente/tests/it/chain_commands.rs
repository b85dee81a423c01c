//! Chains at the command line.

use api_types::{AutomationArchived, Chain, ChainRun, Job};
use domain::{chain::RunState, job::Status};
use serde::de::DeserializeOwned;
use serde_json::json;
use test_support::eventually;

use crate::{
    hub_commands::{done, signed_in},
    process::Place,
};

async fn json<T: DeserializeOwned>(place: &Place, arguments: &[&str]) -> T {
    let ended = done(place, &[arguments, &["-o", "json"]].concat()).await;
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

async fn said(place: &Place, arguments: &[&str]) -> String {
    done(place, arguments).await.out
}

/// What a refused command says, and its exit code.
async fn refused(place: &Place, arguments: &[&str], code: i32) -> String {
    let ended = place.run(arguments).await;
    assert_eq!((ended.status.code(), ended.out.as_str()), (Some(code), ""), "{arguments:?}: {ended:?}");
    ended.err
}

#[tokio::test]
async fn a_chain_is_created_followed_changed_and_deleted() {
    let (place, hub) = signed_in().await;
    let script = place.write("data/um.sh", "echo '{\"count\": 3}' > result.json");
    for name in ["baixar", "lançar", "avisar"] {
        done(&place, &["automation", "create", name, "--script", &script, "--type", "shell"]).await;
    }
    let create = ["chain", "create", "lançar", "depois", "--after", "baixar:any", "--if", "/count gt 0", "--take", "n=baixar:/count"];
    assert_eq!(said(&place, &[&create[..], &["-p", "mes=2026-11"]].concat()).await, "Chain depois runs lançar after baixar (any).\n");
    let shown = said(&place, &["chain", "show", "depois"]).await;
    for line in
        ["after          baixar (any)\n", "if             baixar:/count gt 0\n", "taken          n=baixar:/count\n", "\"mes\": \"2026-11\""]
    {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let closing = refused(&place, &["chain", "create", "baixar", "volta", "--after", "lançar"], 65).await;
    assert!(closing.contains("\"baixar\" → \"lançar\" → \"baixar\""), "{closing}");
    let unclear =
        refused(&place, &["chain", "create", "avisar", "x", "--after", "baixar", "--after", "lançar", "--if", "/n gt 0"], 65).await;
    assert!(unclear.contains("must begin with the name of an automation"), "{unclear}");
    let file = place.write("chain.json", &json!({"join": "all", "not_before": "07:30", "parameters": {"a": 1}}).to_string());
    let both = ["chain", "create", "avisar", "ambos", "-F", &file, "--after", "baixar", "--after", "lançar:failed", "--timezone", "UTC"];
    let both: Chain = json(&place, &both).await;
    assert_eq!((both.join.as_str(), both.not_before.as_deref(), both.timezone.as_str()), ("all", Some("07:30"), "UTC"));

    let ended: Job = json(&place, &["run", "baixar", "--follow"]).await;
    assert_eq!((ended.status, ended.result), (Status::Completed, Some(json!({"count": 3}))));
    let run = eventually("the run has its job", async || {
        let runs: Vec<ChainRun> = json(&place, &["chain", "runs", "depois"]).await;
        runs.into_iter().find(|run| run.state == RunState::Created)
    })
    .await;
    let made: Job = json(&place, &["job", "show", &run.job_id.unwrap().to_string()]).await;
    assert_eq!(serde_json::Value::Object(made.parameters), json!({"mes": "2026-11", "n": 3}));
    let runs = said(&place, &["chain", "runs", "depois", "--state", "created"]).await;
    assert!(runs.contains(&run.job_id.unwrap().to_string()) && runs.contains(&ended.id.to_string()), "{runs}");
    let listed = said(&place, &["chain", "list", "--after", "baixar"]).await;
    assert!(listed.contains("baixar (completed) and lançar (failed)") && listed.contains("  active"), "{listed}");
    let of: Vec<Chain> = json(&place, &["chain", "list", "--automation", "avisar"]).await;
    assert_eq!(of.iter().map(|chain| chain.name.as_str()).collect::<Vec<_>>(), ["ambos"]);

    let changed = said(&place, &["chain", "set", "ambos", "--name", "os dois", "--after", "lançar", "--join", "any", "-p", "b=2"]).await;
    assert_eq!(changed, "Chain os dois is changed: it runs avisar after lançar (completed).\n");
    assert_eq!(said(&place, &["chain", "disable", "os dois"]).await, "Chain os dois is off.\n");
    assert_eq!(said(&place, &["chain", "enable", "os dois"]).await, "Chain os dois is active.\n");
    let kept: Chain = json(&place, &["chain", "show", "os dois"]).await;
    assert_eq!((serde_json::Value::Object(kept.parameters), kept.id), (json!({"a": 1, "b": "2"}), both.id));

    let archived = said(&place, &["automation", "archive", "lançar"]).await;
    let lines: Vec<&str> = archived.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "Automation lançar is archived: it accepts no more jobs."), "{archived}");
    assert!(lines[1].starts_with("The chain \"depois\"") && lines[2].starts_with("The chain \"os dois\""), "{archived}");
    assert!(said(&place, &["chain", "show", "depois"]).await.contains("blocked (automation archived)"));
    let nothing: AutomationArchived = json(&place, &["automation", "archive", "avisar"]).await;
    assert_eq!(nothing.chains.len(), 1);
    assert_eq!(said(&place, &["chain", "delete", "depois"]).await, "Chain depois is deleted.\n");
    assert!(refused(&place, &["chain", "show", "depois"], 1).await.contains("there is no chain \"depois\""));
    hub.stop().await;
}
