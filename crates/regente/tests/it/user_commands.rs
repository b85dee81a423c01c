//! Commands for users.

use api_types::{Session, User, UserCreated};

use crate::{
    hub_commands::{done, idle},
    process::Place,
};

#[tokio::test]
async fn users_are_added_changed_and_let_in_or_not() {
    let (place, hub) = idle().await;
    let created = done(&place, &["user", "create", "maria", "--email", "Maria@Example.com", "--display-name", "Maria Silva"]).await;
    assert!(
        created.out.starts_with("User maria is added. The password is ") && created.out.ends_with(" (shown this once).\n"),
        "{created:?}"
    );
    let password = created.out.split(' ').nth(7).unwrap().to_owned();
    let listed = done(&place, &["user", "list"]).await;
    let rows: Vec<&str> = listed.out.lines().skip(1).collect();
    assert!(rows[0].starts_with("admin ") && rows[0].contains(" active "), "{listed:?}");
    assert!(rows[1].starts_with("maria ") && rows[1].contains(" must change the password "), "{listed:?}");
    let marias = Place::new().with("REGENTE_URL", place.variable("REGENTE_URL"));
    let login = async |input: String| marias.run_with_input(&["login", "--username", "maria", "--password-stdin"], input.as_bytes()).await;
    let first = login(format!("{password}\n")).await;
    assert!(first.out.contains("Signed in at ") && first.err.contains("must be changed"), "{first:?}");
    let reset =
        place.run_with_input(&["user", "reset-password", "maria", "--password-stdin", "--keep-password"], b"a password for tests\n").await;
    assert_eq!((reset.status.code(), reset.out.as_str()), (Some(0), "User maria has another password.\n"), "{reset:?}");
    assert_eq!(login(format!("{password}\n")).await.status.code(), Some(77));
    let second = login("a password for tests\n".to_owned()).await;
    assert!(second.status.success() && second.err.is_empty(), "{second:?}");
    let sessions: Vec<Session> = serde_json::from_str(&done(&place, &["user", "sessions", "maria", "-o", "json"]).await.out).unwrap();
    assert_eq!(sessions.len(), 1, "the reset ended the first");
    let ended = done(&place, &["user", "sessions", "maria", "--end", &sessions[0].id.to_string()]).await;
    assert_eq!(ended.out, "The session of maria has ended.\n");
    let user: User = serde_json::from_str(&done(&place, &["user", "update", "maria", "--email", "", "-o", "json"]).await.out).unwrap();
    assert_eq!((user.email, user.display_name.as_deref()), (None, Some("Maria Silva")));
    let shown = done(&place, &["user", "show", &user.id.to_string()]).await;
    assert!(shown.out.contains("name           maria\n") && shown.out.contains("display name   Maria Silva\n"), "{shown:?}");
    done(&place, &["user", "deactivate", "maria"]).await;
    assert_eq!(login("a password for tests\n".to_owned()).await.status.code(), Some(77));
    assert!(done(&place, &["user", "list", "--active", "false"]).await.out.contains("maria"));
    done(&place, &["user", "reactivate", "maria"]).await;
    assert!(login("a password for tests\n".to_owned()).await.status.success());
    let json = place.run_with_input(&["user", "create", "jose", "--password-stdin", "-o", "json"], b"a password for tests\n").await;
    let created: UserCreated = serde_json::from_str(&json.out).unwrap();
    assert!(created.password.is_none() && created.user.must_change_password);
    for (arguments, code, words) in [
        (&["user", "deactivate", "admin"][..], 1, "administrator"),
        (&["user", "show", "nobody"], 1, "there is no user \"nobody\""),
        (&["user", "create", "jose"], 1, "another user has this name"),
        (&["user", "create", "service:x"], 65, "username: "),
    ] {
        let ended = place.run(arguments).await;
        assert!(ended.status.code() == Some(code) && ended.err.contains(words), "{arguments:?}: {ended:?}");
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_key_stands_for_a_sign_in() {
    let (place, hub) = idle().await;
    let created = done(&place, &["key", "create", "month end", "--grant", "viewer", "--expires-in-days", "30"]).await;
    let key = created.out.trim_end().rsplit(' ').next().unwrap().to_owned();
    assert!(created.out.starts_with("API key month end of admin (shown this once): rgk_"), "{created:?}");
    let elsewhere = Place::new().with("REGENTE_URL", place.variable("REGENTE_URL"));
    let program = elsewhere.with("REGENTE_API_KEY", &key);
    done(&program, &["job", "list"]).await;
    let refused = program.run(&["automation", "create", "x", "--script", "x.py"]).await;
    assert!(refused.status.code() == Some(77) && refused.err.contains("robot.publish"), "{refused:?}");
    let listed = done(&place, &["key", "list"]).await;
    assert!(listed.out.contains(&key[..12]) && !listed.out.contains(&key[..13]) && listed.out.contains(" until 2"), "{listed:?}");
    let id = listed.out.lines().nth(1).unwrap().split(' ').next().unwrap();
    assert_eq!(done(&place, &["key", "revoke", id]).await.out, "The API key is revoked.\n");
    let refused = program.run(&["job", "list"]).await;
    assert!(refused.status.code() == Some(77) && refused.err.contains("REGENTE_API_KEY") && !refused.err.contains(&key), "{refused:?}");
    assert!(done(&place, &["key", "list", "--all"]).await.out.contains("revoked"));
    let wrong = place.run(&["key", "create", "x", "--grant", "root"]).await;
    assert!(wrong.status.code() == Some(65) && wrong.err.contains("--grant root: must be a role"), "{wrong:?}");
    hub.stop().await;
}

#[tokio::test]
async fn one_changes_one_s_own_password_and_stays_signed_in() {
    let (place, hub) = idle().await;
    let created = done(&place, &["user", "create", "maria"]).await;
    let password = created.out.split(' ').nth(7).unwrap().to_owned();
    let marias = Place::new().with("REGENTE_URL", place.variable("REGENTE_URL"));
    let type_in = async |command: &str, lines: String| {
        let arguments: &[&str] =
            if command == "login" { &["login", "--username", "maria", "--password-stdin"] } else { &[command, "--password-stdin"] };
        marias.run_with_input(arguments, lines.as_bytes()).await
    };
    let first = type_in("login", format!("{password}\n")).await;
    assert!(first.status.success() && first.err.contains("`regente passwd`"), "{first:?}");
    for (lines, words) in [
        (format!("{password}\nshort\n"), "new_password: "),
        ("wrong\na password for tests\n".to_owned(), "current_password: "),
        (format!("{password}\n"), "the password is empty"),
    ] {
        let refused = type_in("passwd", lines).await;
        assert!(refused.status.code() == Some(65) && refused.err.contains(words), "{refused:?}");
    }
    let changed = type_in("passwd", format!("{password}\na password for tests\n")).await;
    assert_eq!(changed.out, "The password is changed; all other sessions have ended.\n", "{changed:?}");
    // With the tokens of the answer, and nothing to change first any more.
    let listed = marias.run(&["key", "list"]).await;
    assert!(listed.status.success(), "{listed:?}");
    assert_eq!(type_in("login", format!("{password}\n")).await.status.code(), Some(77));
    assert!(type_in("login", "a password for tests\n".to_owned()).await.err.is_empty());
    hub.stop().await;
}

#[tokio::test]
async fn a_grant_names_its_domain_and_a_key_is_narrowed_to_one() {
    let (place, hub) = idle().await;
    done(&place, &["domain", "create", "finance"]).await;
    done(&place, &["user", "create", "maria"]).await;
    let granted = done(&place, &["user", "grant", "maria", "viewer", "--domain", "finance"]).await;
    assert_eq!(granted.out, "User maria has viewer in domain finance.\n");
    assert!(done(&place, &["user", "grants", "maria"]).await.out.contains("  in domain finance  "));
    let revoked = done(&place, &["user", "revoke", "maria", "viewer", "--domain", "finance"]).await;
    assert_eq!(revoked.out, "User maria no longer has viewer in domain finance.\n");

    for (name, more) in [("invoices", &["--domain", "finance"][..]), ("other", &[])] {
        done(&place, &[&["automation", "create", name, "--script", "x.py"][..], more].concat()).await;
        done(&place, &["run", name]).await;
    }
    let jobs = done(&place, &["job", "list", "--domain", "finance"]).await;
    assert!(jobs.out.contains(" invoices ") && !jobs.out.contains(" other "), "{jobs:?}");
    let created = done(&place, &["key", "create", "x", "--grant", "viewer", "--domain", "finance"]).await;
    let key = created.out.trim_end().rsplit(' ').next().unwrap();
    let program = Place::new().with("REGENTE_URL", place.variable("REGENTE_URL")).with("REGENTE_API_KEY", key);
    let seen = done(&program, &["automation", "list"]).await;
    assert!(seen.out.contains(" invoices ") && !seen.out.contains(" other "), "{seen:?}");
    hub.stop().await;
}

#[tokio::test]
async fn the_audit_trail_shows_who_changed_what_and_is_not_made_by_a_check() {
    let (place, hub) = idle().await;
    done(&place, &["automation", "create", "invoices", "--script", "x.py"]).await;
    let file = place.write("changes.json", r#"{"priority": 7, "timeout_s": null}"#);
    let changed = done(&place, &["automation", "update", "invoices", "-F", &file, "--name", "bills", "--max-concurrency", "3"]).await;
    assert_eq!(changed.out, "Automation bills is changed.\n");
    let shown = done(&place, &["automation", "show", "bills"]).await;
    assert!(shown.out.contains("priority       7\n") && shown.out.contains("at once        3\n"), "{shown:?}");
    let none = place.run(&["automation", "update", "bills", "--timeout-s", "0"]).await;
    assert!(none.status.code() == Some(65) && none.err.contains("timeout_s: "), "{none:?}");
    let listed = done(&place, &["audit", "list", "--action", "automation.update"]).await;
    let (head, line) = (listed.out.lines().next().unwrap(), listed.out.lines().nth(1).unwrap());
    assert!(head.ends_with("  CHANGED") && line.contains("  automation 1  ") && !line.contains('{'), "{listed:?}");
    assert!(line.contains("max_concurrency, name, priority"), "{line}");
    let json = done(&place, &["audit", "list", "--action", "automation.update", "-o", "json"]).await;
    assert!(json.out.contains(r#""priority":7"#), "{json:?}");
    hub.stop().await;

    let elsewhere = Place::new();
    let refused = elsewhere.run(&["audit", "verify"]).await;
    assert!(refused.one_line().contains("there is no database ") && refused.one_line().contains("regente.db"), "{refused:?}");
    assert!(!elsewhere.path("data/regente.db").exists());
}
