//! `regente worker install`.

use std::{os::unix::fs::PermissionsExt, process::Command};

use crate::process::{Ended, Place};

const QUEUE: [&str; 4] = ["worker", "install", "--queue", "notas fiscais"];

async fn install(place: &Place, more: &[&str]) -> Ended {
    let folders = ["--dir", "units", "--secrets-dir", "secrets"];
    place.run(&[&QUEUE, &folders[..], more].concat()).await
}

/// The last line says what is wrong; nothing else is said.
fn refusal(ended: &Ended) -> &str {
    assert!(ended.out.is_empty(), "{ended:?}");
    ended.one_line()
}

#[tokio::test]
async fn the_unit_is_one_that_systemd_takes_and_the_key_is_not_in_it() {
    let place = Place::new();
    let key_file = place.write("key", "k3\"y$x\n");
    let options = [
        "--server",
        "https://hub.example",
        "--label",
        "sap",
        "--label",
        "windows",
        "--key-file",
        &key_file,
        "--drain",
        "120",
        "--memory-max",
        "4G",
        "--tasks-max",
        "500",
        "--amqp",
        "amqp://robot:pass%2Fword@rabbit/%2f",
        "--name",
        "100% robô",
    ];
    let ended = install(&place, &options).await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    for words in ["systemctl daemon-reload", "systemctl enable --now regente-worker.service", "units/regente-worker.service"] {
        assert!(ended.out.contains(words), "{}", ended.out);
    }
    let unit = place.path("units/regente-worker.service");
    let text = std::fs::read_to_string(&unit).unwrap();
    let expected = [
        "Restart=always",
        "RestartSec=2",
        "DynamicUser=yes",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "PrivateTmp=yes",
        "KillMode=mixed",
        "Delegate=yes",
        "MemoryMax=4G",
        "TasksMax=500",
        "TimeoutStopSec=140",
        "StateDirectory=regente-worker",
        "--label sap --label windows",
        "--queue \"notas fiscais\"",
        "--name \"100%% robô\"",
    ];
    for words in expected {
        assert!(text.contains(words), "no {words} in\n{text}");
    }
    assert!(!text.contains("k3") && !text.contains("pass%2F"), "{text}");
    let secrets = place.path("secrets/regente-worker.env");
    let kept = "REGENTE_WORKER_KEY=\"k3\\\"y\\$x\"\nREGENTE_AMQP_URL=\"amqp://robot:pass%2Fword@rabbit/%2f\"\n";
    assert_eq!(std::fs::read_to_string(&secrets).unwrap(), kept);
    assert_eq!(std::fs::metadata(&secrets).unwrap().permissions().mode() & 0o777, 0o600);
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && !said.contains("regente-worker.service:"), "{said}");
}

#[tokio::test]
async fn a_user_of_the_host_needs_a_folder_of_its_own() {
    let place = Place::new();
    let ended = install(&place, &["--user", "nobody", "--work-dir", "/srv/robots", "--unit", "notas"]).await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.out.contains("install -d -m 700 -o nobody /srv/robots") && ended.out.contains("REGENTE_WORKER_KEY="), "{}", ended.out);
    let text = std::fs::read_to_string(place.path("units/notas.service")).unwrap();
    assert!(text.contains("User=nobody\n") && text.contains("ReadWritePaths=/srv/robots\n") && !text.contains("DynamicUser"), "{text}");
    assert!(text.contains("XDG_RUNTIME_DIR=/run/user/"), "{text}");
}

#[tokio::test]
async fn robots_of_another_user_need_a_worker_that_may_change_users_and_little_else() {
    let place = Place::new();
    let ended = install(&place, &["--run-as", "nobody", "--scripts", "/opt/robots", "--python", ".venv/bin/python"]).await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let unit = place.path("units/regente-worker.service");
    let text = std::fs::read_to_string(&unit).unwrap();
    let expected = [
        "User=root\n",
        "--run-as nobody",
        "--scripts /opt/robots",
        &format!("--python {}", place.path(".venv/bin/python").display()),
        "CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_KILL\n",
        "NoNewPrivileges=yes",
        "StateDirectoryMode=0711",
    ];
    for words in expected {
        assert!(text.contains(words), "no {words} in\n{text}");
    }
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && !said.contains("regente-worker.service:"), "{said}");
}

#[tokio::test]
async fn a_second_unit_is_another_worker() {
    let place = Place::new();
    for (unit, name) in [("regente-worker", "--name %H\n"), ("sap-robots", "--name %H-sap-robots\n")] {
        assert_eq!(install(&place, &["--unit", unit]).await.status.code(), Some(0));
        let path = place.path(&format!("units/{unit}.service"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(name) && text.contains(&format!("--work-dir /var/lib/{unit} ")), "{text}");
        let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output().unwrap();
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    }
}

#[tokio::test]
async fn existing_files_are_overwritten_only_by_force_and_a_key_is_kept() {
    let place = Place::new();
    assert_eq!(install(&place, &["--key", "first"]).await.status.code(), Some(0));
    let ended = install(&place, &["--slots", "3"]).await;
    let line = refusal(&ended);
    assert!(line.contains("regente-worker.service") && line.contains("--force"), "{line}");
    assert_eq!(install(&place, &["--slots", "3", "--force"]).await.status.code(), Some(0));
    assert!(std::fs::read_to_string(place.path("units/regente-worker.service")).unwrap().contains("--slots 3"));
    assert!(std::fs::read_to_string(place.path("secrets/regente-worker.env")).unwrap().contains("first"));
}

#[tokio::test]
async fn printing_writes_nothing_and_shows_no_secret() {
    let place = Place::new();
    for word in ["--print", "--dry-run"] {
        let ended = install(&place, &[word, "--key", "top-secret"]).await;
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        assert!(ended.out.contains("ExecStart=") && ended.out.contains("REGENTE_WORKER_KEY=\"***\""), "{}", ended.out);
        assert!(!ended.out.contains("top-secret"));
    }
    assert!(!place.path("units").exists() && !place.path("secrets").exists());
}

#[tokio::test]
async fn a_refused_installation_reports_why() {
    let place = Place::new();
    place.write("file", "");
    let table = [
        (vec!["--user", "no-such-user"], "useradd --system"),
        (vec!["--user", "root"], "must not run as root"),
        (vec!["--run-as", "root"], "do not run as root"),
        (vec!["--run-as", "no-such-user"], "useradd --system"),
        (vec!["--work-dir", "/srv/robots"], "--work-dir needs --user"),
        (vec!["--unit", "a/b"], "--unit"),
        (vec!["--slots", "0"], "slots must be 1 to 10000"),
        (vec!["--label", "two words"], "label \"two words\""),
        (vec!["--log", "worker_agent=loud"], "log filter"),
        (vec!["--key-file", "missing"], "cannot read missing"),
        (vec!["--key", "a\nb"], "must be one line"),
        (vec!["--unit", "x", "--dir", "file/below"], "cannot write file/below/x.service"),
    ];
    for (over, words) in table {
        let arguments = if over.contains(&"--dir") {
            place.run(&[&QUEUE, &["--secrets-dir", "secrets"][..], &over].concat()).await
        } else {
            install(&place, &over).await
        };
        let line = refusal(&arguments);
        assert!(line.contains(words), "{over:?}: {line}");
    }
    assert!(!place.path("units").exists());
    let usage = install(&place, &["--memory-max", "lots"]).await;
    assert_eq!(usage.status.code(), Some(2), "{usage:?}");
    assert!(usage.err.contains("512M, 4G or 80%"), "{usage:?}");
}

#[tokio::test]
async fn only_root_installs_for_the_system() {
    let place = Place::new();
    let copy = std::env::temp_dir().join(format!("regente-{}", std::process::id()));
    std::fs::copy(env!("CARGO_BIN_EXE_regente"), &copy).unwrap();
    let ended = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(&copy)
        .args(["worker", "install", "--queue", "q"])
        .current_dir("/")
        .env_clear()
        .output()
        .unwrap();
    std::fs::remove_file(copy).unwrap();
    drop(place);
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(1) && said.contains("only root may write") && said.contains("--print"), "{said}");
}
