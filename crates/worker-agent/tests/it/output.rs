//! People read what the program printed: bars, levels, errors, results, order.

use domain::{
    ids::JobId,
    job::{ErrorClass, Status},
    log::Level,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Bed, until};

fn python(bed: &Bed, text: &str) -> JobId {
    let name = format!("{}.py", Uuid::now_v7());
    bed.script(&name, text);
    bed.hub.job("PYTHON", &name, 0, json!({}))
}

fn lines(bed: &Bed, job: JobId) -> Vec<(Level, String)> {
    bed.log_of(job).into_iter().map(|line| (line.level, line.message)).collect()
}

#[tokio::test]
async fn a_progress_bar_is_progress_while_it_moves_and_one_line_at_its_end() {
    let bed = Bed::with_agent().await;
    let bar = r#"
import os, sys, time
def bar(n):
    sys.stderr.write(f"\r{n:3}%|{'#' * (n // 10):10}| {n}/100 [00:01<00:01, 9.9it/s]")
print("begin")
bar(10); bar(40)
while not os.path.exists("go"): time.sleep(0.02)
for n in range(41, 101): bar(n)
sys.stderr.write("\n")
sys.exit(3)
"#;
    let job = python(&bed, bar);
    let seen = until(|| bed.hub.state().progress.get(&job)?.last().cloned().filter(|seen| seen.percent == Some(40.0))).await;
    assert_eq!(seen.message.as_deref(), Some("40%|####      | 40/100 [00:01<00:01, 9.9it/s]"));
    std::fs::write(bed.folder(job).join("go"), "").unwrap();
    let end = bed.end_of(job).await;
    assert_eq!((end.error_class, end.error_message.as_deref()), (Some(ErrorClass::RobotError), Some("exit code 3")));
    assert_eq!(end.progress.unwrap().percent, Some(100.0));
    let last = "100%|##########| 100/100 [00:01<00:01, 9.9it/s]";
    assert_eq!(lines(&bed, job), [(Level::Info, "begin".to_owned()), (Level::Info, last.to_owned())]);
    // At most one state per second, however fast the bar moves.
    assert!(bed.hub.state().progress[&job].len() <= 62, "{:?}", bed.hub.state().progress[&job]);
}

#[tokio::test]
async fn progress_json_overrides_a_bar() {
    let bed = Bed::with_agent().await;
    let job = bed.shell(
        r#"echo '{"percent": 5, "message": "Tela 1"}' > p && mv p progress.json
printf '\r 50%%\r 60%%\n'"#,
    );
    let progress = bed.end_of(job).await.progress.unwrap();
    assert_eq!((progress.percent, progress.message.as_deref()), (Some(5.0), Some("Tela 1")));
    assert_eq!(lines(&bed, job), [(Level::Info, " 60%".to_owned())]);
}

#[tokio::test]
async fn levels_of_python_logging_are_kept() {
    let bed = Bed::with_agent().await;
    let job = python(
        &bed,
        r#"
import logging, sys
logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
logging.debug("a"); logging.info("b"); logging.warning("c"); logging.error("d")
print("e", file=sys.stderr)
logging.info("fim")
try:
    {}["chave"]
except KeyError as cause:
    raise RuntimeError("Senha inválida") from cause
"#,
    );
    let end = bed.end_of(job).await;
    assert_eq!(end.error_message.as_deref(), Some("exit code 1: RuntimeError: Senha inválida"));
    let log = lines(&bed, job);
    let levels: Vec<_> = log.iter().take(6).map(|(level, _)| *level).collect();
    assert_eq!(levels, [Level::Debug, Level::Info, Level::Warning, Level::Error, Level::Info, Level::Info], "{log:?}");
    assert!(log[6..].iter().all(|(level, _)| *level == Level::Error), "{log:?}");
}

#[tokio::test]
async fn the_error_of_node_is_not_its_version() {
    if std::process::Command::new("node").arg("--version").output().is_err() {
        println!("skipped: there is no node");
        return;
    }
    let bed = Bed::with_agent().await;
    bed.script("x.mjs", "console.log(JSON.stringify({level: 40, msg: 'lento'}));\nthrow new TypeError('Sem saldo')");
    let job = bed.shell("exec node ../../../x.mjs");
    assert_eq!(bed.end_of(job).await.error_message.as_deref(), Some("exit code 1: TypeError: Sem saldo"));
    assert_eq!(lines(&bed, job)[0], (Level::Warning, "lento".to_owned()));
}

#[tokio::test]
async fn a_result_that_is_not_quite_json_keeps_its_error_class() {
    let bed = Bed::with_agent().await;
    let table: [(&[u8], Value, &str); 4] = [
        (br#"{"error": "x", "error_class": "CREDENTIAL_INVALID", "media": NaN}"#, json!({"media": null}), "NaN"),
        (b"{\"error\": \"x\", \"error_class\": \"CREDENTIAL_INVALID\", \"a\": \"inv\xe1lida\"}", json!({"a": "inválida"}), "Windows-1252"),
        (br#"{"error": "x", "error_class": "CREDENTIAL_INVALID", "a": "\ud83d"}"#, json!({"a": "\u{fffd}"}), "U+FFFD"),
        (b"\xef\xbb\xbf{\"error\": \"x\", \"error_class\": \"CREDENTIAL_INVALID\", \"error\": \"x\"}", json!({}), ""),
    ];
    for (result, mut expected, note) in table {
        let job = bed.shell("while [ ! -e result.json ]; do sleep 0.02; done; exit 2");
        until(|| bed.folder(job).join("status.json").exists().then_some(())).await;
        std::fs::write(bed.folder(job).join("r"), result).unwrap();
        std::fs::rename(bed.folder(job).join("r"), bed.folder(job).join("result.json")).unwrap();
        let end = bed.end_of(job).await;
        assert_eq!((end.error_class, end.error_message.as_deref()), (Some(ErrorClass::CredentialInvalid), Some("exit code 2: x")));
        expected["error"] = "x".into();
        expected["error_class"] = "CREDENTIAL_INVALID".into();
        assert_eq!(end.result, Some(expected));
        let log = lines(&bed, job);
        assert_eq!(
            log.iter().filter(|(level, text)| *level == Level::Warning && text.contains(note)).count(),
            usize::from(!note.is_empty()),
            "{log:?}"
        );
    }
}

#[tokio::test]
async fn output_printed_before_an_error_comes_before_it() {
    let bed = Bed::with_agent().await;
    let job = python(
        &bed,
        "import sys\nfor n in range(3000):\n    print('printed', n)\n    sys.stderr.write(f'written {n}\\n')\nprint('last words')\nraise ValueError('x')",
    );
    assert_eq!(bed.end_of(job).await.status, Status::Failed);
    let log: Vec<_> = lines(&bed, job).into_iter().map(|(_, text)| text).collect();
    let place = |text: String| log.iter().position(|line| *line == text).unwrap();
    for n in 0..3000 {
        assert!(place(format!("printed {n}")) < place(format!("written {n}")), "{n}");
    }
    assert!(place("last words".into()) < place("Traceback (most recent call last):".into()));
}
