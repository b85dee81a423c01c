//! SLA rules at the command line.

use api_types::{Alert, Channel, ChannelShown, Sla, SlaFailureRate};
use domain::alert::Severity;
use serde::de::DeserializeOwned;
use test_support::eventually;

use crate::{
    hub_commands::{done, idle, refused, signed_in},
    process::Place,
};

async fn parsed<T: DeserializeOwned>(place: &Place, arguments: &[&str]) -> T {
    let ended = done(place, &[arguments, &["-o", "json"]].concat()).await;
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

async fn said(place: &Place, arguments: &[&str]) -> String {
    done(place, arguments).await.out
}

#[tokio::test]
async fn a_rule_is_created_shown_changed_muted_switched_and_deleted() {
    let (place, hub) = idle().await;
    let script = place.write("data/um.sh", "true");
    done(&place, &["automation", "create", "notas", "--script", &script, "--type", "shell"]).await;
    let made = said(&place, &["sla", "create", "--automation", "notas", "--run-every", "120", "--late-after", "15"]).await;
    assert_eq!(made, "SLA rule notas: a run every 120 min is created: a run every 120 min + 15 min.\n");
    let secret = place.write("url", "https://hooks.slack.com/services/T/B/x\n");
    let secret = format!("url={secret}");
    let channel: ChannelShown = parsed(&place, &["channel", "create", "Time", "slack", "--secret-file", &secret]).await;
    let note = place.write("note.md", "Ligue para a **Ana**.");
    let create = [
        &["sla", "create", "Notas de manhã", "--automation", "notas", "--daily-time", "06:30", "--early", "60"][..],
        &["--calendar", "Brasil (bancos)", "--timezone", "America/Sao_Paulo", "--alert-on-failure", "--severity", "warning"],
        &[
            "--failure-rate",
            "10",
            "--failure-window",
            "1440",
            "--failure-at-least",
            "20",
            "--escalate",
            "30:error",
            "--escalate",
            "60:critical",
        ],
        &["--repeat-every", "120", "--resolve-after", "0", "--channel", "Time", "--note-file", &note, "--alert-on-late=false"],
    ];
    let rule: Sla = parsed(&place, &create.concat()).await;
    let rate = SlaFailureRate { percent: 10, runs: None, window_minutes: Some(1440), at_least: 20 };
    assert_eq!((rule.expected_daily_time.as_deref(), rule.early_minutes, rule.failure_rate), (Some("06:30"), 60, Some(rate)));
    assert_eq!((rule.severity, rule.repeat_every_minutes, rule.alert_on_late), (Severity::Warning, Some(120), false));
    let steps: Vec<_> = rule.escalate.iter().map(|step| (step.after_minutes, step.severity)).collect();
    assert_eq!(steps, [(30, Severity::Error), (60, Severity::Critical)]);
    assert_eq!((rule.notify_channels.as_slice(), rule.note.as_str()), (&[channel.channel.id][..], "Ligue para a **Ana**."));
    let judged = async || Some(said(&place, &["sla", "show", "Notas de manhã"]).await).filter(|shown| shown.contains("automation notas"));
    let shown = eventually("the rule is judged", judged).await;
    for line in [
        "about          notas\n",
        "expects        a run by 06:30\n               no failure\n               at most 10 % of those of 1440 min fail\n",
        "late           only the state says so\n",
        "calendar       Brasil (bancos)\n",
        "escalates      error after 30 min\n               critical after 60 min\n",
        "channels       Time\n",
        "state          on\n",
        "what to do     Ligue para a **Ana**.\n",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }

    let update =
        ["sla", "update", "Notas de manhã", "--name", "Manhã", "--failure-rate", "20", "--clear", "calendar", "--clear", "channel"];
    let changed = said(&place, &update).await;
    assert_eq!(changed, "SLA rule Manhã is changed: a run by 06:30, no failure, at most 20 % of those of 1440 min fail.\n");
    let kept: Sla = parsed(&place, &["sla", "show", "Manhã"]).await;
    assert_eq!((kept.id, kept.calendar_id, kept.notify_channels.len(), kept.timezone.as_str()), (rule.id, None, 0, "America/Sao_Paulo"));
    assert_eq!(kept.failure_rate, Some(SlaFailureRate { percent: 20, ..rate }));
    let silent = said(&place, &["sla", "mute", "Manhã", "--for", "4h"]).await;
    assert!(silent.starts_with("SLA rule Manhã is silent until "), "{silent}");
    let listed = said(&place, &["sla", "list", "--automation", "notas"]).await;
    assert!(listed.contains("silent until ") && listed.contains("a run every 120 min + 15 min"), "{listed}");
    assert_eq!(said(&place, &["sla", "mute", "Manhã", "--off"]).await, "SLA rule Manhã is not silent any more.\n");
    assert_eq!(said(&place, &["sla", "disable", "Manhã"]).await, "SLA rule Manhã is off.\n");
    let off: Vec<Sla> = parsed(&place, &["sla", "list", "--enabled", "false", "--search", "MANH"]).await;
    assert_eq!(off.iter().map(|rule| rule.automation_name.as_deref()).collect::<Vec<_>>(), [Some("notas")]);
    assert_eq!(said(&place, &["sla", "enable", "Manhã"]).await, "SLA rule Manhã is on.\n");
    assert_eq!(said(&place, &["sla", "delete", &rule.id.to_string()]).await, "SLA rule Manhã is deleted.\n");
    assert!(refused(&place, &["sla", "show", "Manhã"], 1).await.contains("there is no sla \"Manhã\""));
    let free: Channel = parsed(&place, &["channel", "show", "Time"]).await;
    assert_eq!(free.id, channel.channel.id);
    hub.stop().await;
}

#[tokio::test]
async fn a_rule_of_a_file_is_one_of_a_queue_a_domain_or_everything() {
    let (place, hub) = idle().await;
    done(&place, &["domain", "create", "fiscal", "--name", "Fiscal"]).await;
    let yaml = "name: Fila parada\nqueue: notas\nmax_pending_age_s: 900\nmax_backlog: 5000\nexpected_daily_time: null\n";
    let file = place.write("rule.yaml", yaml);
    let made = said(&place, &["sla", "create", "-F", &file, "--max-backlog", "100"]).await;
    assert_eq!(made, "SLA rule Fila parada is created: at most 100 jobs wait, none waits longer than 900 s.\n");
    let whole = ["sla", "create", "--domain", "fiscal", "--failure-streak", "3", "--max-duration-s", "3600", "--min-duration-s", "5"];
    let whole: Sla = parsed(&place, &whole).await;
    let usual = ["sla", "create", "Como sempre", "--domain", "fiscal", "--daily-time", "06:30", "--forecast", "--duration-anomaly"];
    let made = said(&place, &usual).await;
    let words = "a run by 06:30, no unusual duration (normal), told before it is late";
    assert_eq!(made, format!("SLA rule Como sempre is created: {words}.\n"));
    let changed = said(&place, &["sla", "update", "Como sempre", "--duration-anomaly=high", "--forecast=false"]).await;
    assert_eq!(changed, "SLA rule Como sempre is changed: a run by 06:30, no unusual duration (high).\n");
    let cleared = said(&place, &["sla", "update", "Como sempre", "--clear", "duration-anomaly"]).await;
    assert_eq!(cleared, "SLA rule Como sempre is changed: a run by 06:30.\n");
    done(&place, &["sla", "delete", "Como sempre"]).await;
    assert_eq!(whole.name, "Domain fiscal: fewer than 3 failures in a row, at most 3600 s a run, at least 5 s a run");
    let all = ["sla", "create", "Tudo", "--everything", "--worker-gone-after-s", "120", "--alert-on-dead-schedule", "--watch-hub"];
    let all = said(&place, &all).await;
    assert_eq!(all, "SLA rule Tudo is created: workers are heard of every 120 s, no dead schedule, the hub works.\n");
    let listed = said(&place, &["sla", "list"]).await;
    for about in ["  queue notas  ", "  domain fiscal  ", "  everything  "] {
        assert!(listed.contains(about), "{about}: {listed}");
    }
    let of: Vec<Sla> = parsed(&place, &["sla", "list", "--domain", "fiscal"]).await;
    assert_eq!(of.iter().map(|rule| rule.id).collect::<Vec<_>>(), [whole.id]);
    let of: Vec<Sla> = parsed(&place, &["sla", "list", "--queue", "notas"]).await;
    assert_eq!(of.len(), 1);
    // What the hub answered can be sent back.
    let answer = place.write("answer.json", &said(&place, &["sla", "show", "Tudo", "-o", "json"]).await);
    let moved = said(&place, &["sla", "update", "Tudo", "-F", &answer, "--queue", "notas", "--watch-hub=false"]).await;
    assert_eq!(moved, "SLA rule Tudo is changed: workers are heard of every 120 s, no dead schedule.\n");
    let moved: Sla = parsed(&place, &["sla", "show", "Tudo"]).await;
    assert_eq!((moved.queue.as_deref(), moved.watch_hub), (Some("notas"), false));

    let unknown = place.write("bad.yaml", "max_backlogs: 5\n");
    assert!(refused(&place, &["sla", "create", "-F", &unknown], 65).await.contains("unknown field `max_backlogs`"));
    let alone = refused(&place, &["sla", "create", "--failure-runs", "5"], 65).await;
    assert!(alone.contains("need --failure-rate"), "{alone}");
    assert!(refused(&place, &["sla", "create", "x"], 65).await.contains("expects nothing"));
    let never = refused(&place, &["sla", "mute", "Tudo", "--for", "999999years"], 65).await;
    assert!(never.contains("--for"), "{never}");
    for wrong in [
        &["sla", "create", "--escalate", "30"][..],
        &["sla", "create", "--queue", "a", "--everything", "--max-backlog", "1"],
        &["sla", "mute", "Tudo"],
        &["sla", "update", "Tudo", "--clear", "name"],
    ] {
        let ended = place.run(wrong).await;
        assert_eq!(ended.status.code(), Some(2), "{wrong:?}: {ended:?}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn the_alerts_of_a_rule_are_found_by_its_name() {
    let (place, hub) = signed_in().await;
    let script = place.write("data/um.sh", "exit 3");
    done(&place, &["automation", "create", "notas", "--script", &script, "--type", "shell"]).await;
    for (name, option) in [("Falhas", "--alert-on-failure"), ("Agendas", "--alert-on-dead-schedule")] {
        done(&place, &["sla", "create", name, "--automation", "notas", option]).await;
    }
    let failed = place.run(&["run", "notas", "--follow"]).await;
    assert_eq!(failed.status.code(), Some(3), "{failed:?}");
    let found = async || parsed::<Vec<Alert>>(&place, &["alert", "list", "--rule", "Falhas"]).await.pop();
    let alert = eventually("the failure is an alert", found).await;
    let shown = said(&place, &["alert", "show", &alert.id.to_string()]).await;
    assert!(shown.contains("rule           Falhas\n"), "{shown}");
    assert_eq!(parsed::<Vec<Alert>>(&place, &["alert", "list", "--rule", "Agendas"]).await, []);
    let by_id = ["alert", "list", "--rule", &alert.rule_id.unwrap().to_string()];
    assert_eq!(parsed::<Vec<Alert>>(&place, &by_id).await.len(), 1);
    assert!(refused(&place, &["alert", "list", "--rule", "Nada"], 1).await.contains("there is no sla \"Nada\""));
    hub.stop().await;
}
