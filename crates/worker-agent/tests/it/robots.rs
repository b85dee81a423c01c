//! What a program gets and returns.

use std::{fs, os::unix::fs::PermissionsExt as _};

use domain::{job::Status, log::Level};
use serde_json::{Value, json};

use crate::support::{Bed, until, zombies};

#[tokio::test]
async fn a_python_robot_reads_its_parameters_and_writes_a_result() {
    let bed = Bed::with_agent().await;
    let robot = r#"
import json, os, sys
config = json.load(open(sys.argv[sys.argv.index("--config") + 1]))
print("olá", config["nome"], os.environ["PARAM_NOME"], os.environ["PARAM_ITENS"], os.environ["REGENTE_AUTOMATION"])
print("HOME" in os.environ, "CARGO_MANIFEST_DIR" in os.environ)
sys.stderr.write("something odd\n")
json.dump({"n": config["n"] + 1}, open("result.json", "w"))
"#;
    bed.script("robot.py", robot);
    let job = bed.hub.job("PYTHON", "robot.py", 0, json!({"nome": "José", "n": 41, "itens": [1, {"a": 2}]}));
    let end = bed.end_of(job).await;
    assert_eq!((end.status, end.result), (Status::Completed, Some(json!({"n": 42}))), "{:?}", end.error_message);
    let mut log: Vec<_> = bed.log_of(job).into_iter().map(|line| (line.level, line.message)).collect();
    log.sort();
    let expected = [
        (Level::Info, "True False".to_owned()),
        (Level::Info, "olá José José [1,{\"a\":2}] Notas".to_owned()),
        (Level::Error, "something odd".to_owned()),
    ];
    assert_eq!(log, expected);
}

#[tokio::test]
async fn the_folder_has_the_documented_files_and_is_private() {
    let bed = Bed::with_agent().await;
    let job =
        bed.shell_with("pwd; until grep -q running status.json; do sleep 0.02; done; cp status.json seen.json", 0, json!({"cpf": "123"}));
    bed.end_of(job).await;
    let folder = bed.folder(job);
    assert_eq!(bed.log_of(job)[0].message, folder.canonicalize().unwrap().to_str().unwrap());
    let json = |name: &str| serde_json::from_slice::<Value>(&fs::read(folder.join(name)).unwrap()).unwrap();
    assert_eq!(json("config.json"), json!({"cpf": "123"}));
    assert_eq!(json("progress.json")["percentual"], 0);
    assert_eq!((&json("seen.json")["session_id"], &json("seen.json")["status"]), (&json!(job.to_string()), &json!("running")));
    until(|| (json("status.json")["status"] == "completed").then_some(())).await;
    assert!(fs::read_to_string(folder.join("logs/rpa.log")).unwrap().contains(" INFO /"));
    let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("config.json"), mode("logs/rpa.log")), (0o700, 0o600, 0o600));
    until(|| (!folder.join("finish.json").exists()).then_some(())).await;
}

#[tokio::test]
async fn progress_in_both_spellings() {
    let bed = Bed::with_agent().await;
    let wait = "while [ ! -e go ]; do sleep 0.02; done";
    let script = format!(
        r#"echo '{{"etapa_atual":2,"total_etapas":5,"percentual":40,"mensagem":"Tela 2"}}' > p && mv p progress.json
{wait}
echo '{{"step":5,"total_steps":5,"percent":100,"message":"done"}}' > p && mv p progress.json"#
    );
    let job = bed.shell(&script);
    let first = until(|| bed.hub.state().progress.get(&job)?.last().cloned()).await;
    assert_eq!((first.step, first.total_steps, first.percent, first.message.as_deref()), (Some(2), Some(5), Some(40.0), Some("Tela 2")));
    fs::write(bed.folder(job).join("go"), "").unwrap();
    let last = bed.end_of(job).await.progress.unwrap();
    assert_eq!((last.step, last.percent, last.message.as_deref()), (Some(5), Some(100.0), Some("done")));
}

#[tokio::test]
async fn many_jobs_leave_no_zombies_and_no_gaps() {
    let mut bed = Bed::with_agent().await;
    let jobs: Vec<_> = (0..40).map(|n| bed.shell(&format!("(sleep 0.01; true) & echo {n}; wait"))).collect();
    for (n, job) in jobs.into_iter().enumerate() {
        assert_eq!(bed.end_of(job).await.status, Status::Completed);
        assert_eq!(bed.log_of(job)[0].message, n.to_string());
    }
    bed.stop().await.unwrap();
    until(|| (zombies() == 0).then_some(())).await;
    assert_eq!(bed.hub.state().gaps, Vec::<String>::new());
}
