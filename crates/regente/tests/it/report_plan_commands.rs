//! Report plans at the command line.

use crate::hub_commands::{done, idle, refused};

#[tokio::test]
async fn a_plan_is_created_shown_changed_and_deleted() {
    let (place, hub) = idle().await;
    done(&place, &["domain", "create", "finance", "--name", "Finance"]).await;
    let mail =
        ["channel", "create", "Team", "email", "-s", "host=smtp.example.com", "-s", "from=a@example.com", "-s", "to=[\"b@example.com\"]"];
    done(&place, &mail).await;
    let create = ["report-plan", "create", "Mondays", "--weekly", "monday", "--at", "07:30", "--timezone", "America/Sao_Paulo"];
    let made = done(&place, &[&create[..], &["--domain", "finance", "--channel", "Team"]].concat()).await.out;
    assert!(made.starts_with("Report plan Mondays is created: weekly on monday at 07:30 (America/Sao_Paulo), next at "), "{made}");
    let shown = done(&place, &["report-plan", "show", "Mondays"]).await.out;
    for line in [
        "name           Mondays
",
        "sent           weekly on monday at 07:30 (America/Sao_Paulo)\n",
        "domain         finance\n",
        "channels       Team\n",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let changed =
        done(&place, &["report-plan", "update", "Mondays", "--daily", "--at", "06:00", "--everything", "--name", "Daily"]).await.out;
    assert!(changed.starts_with("Report plan Daily is changed: daily at 06:00 (America/Sao_Paulo), next at "), "{changed}");
    let off = done(&place, &["report-plan", "update", "Daily", "--disable"]).await.out;
    assert_eq!(off, "Report plan Daily is changed: daily at 06:00 (America/Sao_Paulo), it is off.\n");
    let listed = done(&place, &["report-plan", "list"]).await.out;
    assert!(listed.contains("Daily") && listed.contains("off"), "{listed}");
    let sent = done(&place, &["report-plan", "send", "Daily"]).await.out;
    assert!(sent.starts_with("The report is on its way: regente notification show "), "{sent}");
    let without = refused(&place, &["report-plan", "create", "x", "--channel", "Team"], 65).await;
    assert!(without.contains("--at is required"), "{without}");
    let unknown = refused(&place, &["report-plan", "create", "x", "--at", "07:30", "--channel", "Nobody"], 1).await;
    assert!(unknown.contains("there is no channel \"Nobody\""), "{unknown}");
    let gone = done(&place, &["report-plan", "delete", "Daily"]).await.out;
    assert_eq!(gone, "The report plan is deleted.\n");
    hub.stop().await;
}
