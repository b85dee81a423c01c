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
