//! Robots that run as another user.

use std::{fs, os::unix::fs::PermissionsExt as _};

use domain::job::Status;
use serde_json::json;
use worker_agent::{Agent, RunAs};

use crate::support::{Bed, runs};

#[tokio::test]
async fn a_robot_of_another_user_can_access_only_its_folder() {
    let mut bed = Bed::new().await;
    let mut settings = bed.settings();
    settings.run_as = Some(RunAs::named("nobody").unwrap());
    if !nix::unistd::Uid::effective().is_root() {
        let refused = Agent::new(settings, None).err().unwrap().to_string();
        assert!(refused.contains("only root may run programs as another user (nobody)"), "{refused}");
        return;
    }
    fs::set_permissions(bed.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let user = settings.run_as.clone().unwrap().user;
    bed.start(settings, None);
    let script = "id -u; id -G; grep -c name config.json; echo \"$USER\"
for file in lease.json logs/rpa.log ../../agent.lock /proc/$PPID/environ; do cat $file > /dev/null 2>&1 && echo can read $file; done
ls .. > /dev/null 2>&1 && echo can list; kill -9 $PPID 2> /dev/null && echo can kill
setsid sh -c 'echo $$ > helper; exec sleep 1000' > /dev/null 2>&1 & until [ -s helper ]; do sleep 0.02; done
echo '{\"percent\": 50}' > progress.json; echo '{\"n\": 1}' > result.json";
    let job = bed.shell_with(script, 0, json!({"name": "x"}));
    let end = bed.end_of(job).await;
    let log: Vec<_> = bed.log_of(job).into_iter().map(|line| line.message).collect();
    assert_eq!(log[..4], [user.to_string().as_str(), log[1].as_str(), "1", "nobody"]);
    assert!(log.len() == 4 && !log[1].split(' ').any(|group| group == "0"), "{log:?}");
    assert_eq!((end.status, end.result), (Status::Completed, Some(json!({"n": 1}))));
    assert_eq!(end.progress.unwrap().percent, Some(50.0));
    assert!(!runs(bed.pid_in(job, "helper").await));
}

#[test]
fn a_robot_user_must_exist_and_must_not_be_root() {
    for (name, words) in [("no-such-user-here", "useradd"), ("root", "not run as root")] {
        let refused = RunAs::named(name).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }
}
