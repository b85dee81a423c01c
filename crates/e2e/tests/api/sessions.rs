//! Sessions: refreshing, signing out, a new password, and who is still let in afterwards.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use api_types::{LoginResponse, Me, Session};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use domain::audit::Change;
use e2e::{Answer, Client, Delivery, Options, World, on_both};
use regente::HubOptions;
use reqwest::Method;
use serde_json::{Value, json};
use store::{
    audit::{Filter, audit_list},
    identity::{user_find, user_insert_if_absent},
    sessions::{session_find, session_list_live},
    users::{Profile, user_set_active, user_update},
};
use test_support::eventually;
use uuid::Uuid;

use crate::support::{fields, replica};

on_both!(
    twenty_refreshes_at_once_get_one_successor,
    a_refresh_token_that_was_used_before_ends_its_session_alone,
    a_sign_in_ends_when_it_is_not_used,
    what_is_no_refresh_token_is_refused,
    signing_out_ends_one_session_on_every_replica,
    a_new_password_ends_all_others_on_every_replica,
    whoever_is_deactivated_is_out_on_every_replica,
    one_sees_and_ends_ones_own_sessions_alone,
    a_form_signs_in_and_refreshes,
    guessing_is_slowed_and_locks_nobody_out,
);

const PASSWORD: &str = "admin-password-of-a-test";

/// A hub whose clock goes forward by hand, and sign-ins as they are by default.
async fn clocked(delivery: Delivery) -> (World, Arc<AtomicI64>) {
    with_clock(delivery, Utc::now).await
}

/// The same, whose clock stands meanwhile.
async fn frozen(delivery: Delivery) -> (World, Arc<AtomicI64>) {
    let now = Utc::now();
    with_clock(delivery, move || now).await
}

async fn with_clock(delivery: Delivery, clock: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> (World, Arc<AtomicI64>) {
    let seconds = Arc::new(AtomicI64::new(0));
    let source = seconds.clone();
    let clock: runtime::Clock = Arc::new(move || (clock() + TimeDelta::seconds(source.load(Ordering::SeqCst))).trunc_subsecs(6));
    let settings = |settings: &mut runtime::Settings| {
        settings.auth = runtime::Settings::load(None).unwrap().auth;
        settings.lease.agent = Duration::from_secs(300);
    };
    let hub = HubOptions { clock, ..HubOptions::default() };
    (World::start_with(delivery, Options { hub, settings: Some(Box::new(settings)), ..Options::default() }).await, seconds)
}

async fn post(client: &Client, path: &str, body: &Value) -> Answer {
    client.send(client.bare(Method::POST, path).json(body)).await
}

async fn sign_in(client: &Client) -> LoginResponse {
    post(client, "/api/v1/auth/login", &json!({"username": "admin", "password": PASSWORD})).await.expect(200).json()
}

async fn refresh(client: &Client, token: &str) -> Answer {
    post(client, "/api/v1/auth/refresh", &json!({"refresh_token": token})).await
}

fn refresh_token(given: &LoginResponse) -> &str {
    given.refresh_token.as_deref().unwrap()
}

async fn status(client: &Client, token: &str) -> u16 {
    client.send(client.bare(Method::GET, "/api/v1/jobs").bearer_auth(token)).await.status.as_u16()
}

async fn as_user(client: &Client, token: &str, method: Method, path: &str, body: &Value) -> Answer {
    client.send(client.bare(method, path).bearer_auth(token).json(body)).await
}

/// At once where the change was made, soon elsewhere.
async fn is_out(token: &str, (here, elsewhere): (&Client, &Client)) {
    assert_eq!(status(here, token).await, 401, "at once where it was made");
    is_out_soon(token, elsewhere).await;
}

async fn is_out_soon(token: &str, client: &Client) {
    eventually("the replica hears of it", async || (status(client, token).await == 401).then_some(())).await;
}

async fn session_id(client: &Client, token: &str) -> Uuid {
    as_user(client, token, Method::GET, "/api/v1/auth/me", &Value::Null).await.expect(200).json::<Me>().user.unwrap().session_id
}

async fn twenty_refreshes_at_once_get_one_successor(delivery: Delivery) {
    let (world, clock) = clocked(delivery).await;
    let (other, other_client) = replica(&world).await;
    let first = sign_in(&world.client).await;
    let session = session_id(&world.client, &first.access_token).await;
    let answers = (0..20).map(|nth| refresh(if nth % 2 == 0 { &world.client } else { &other_client }, refresh_token(&first)));
    let answers = futures_util::future::join_all(answers).await;
    let mut next: Vec<String> =
        answers.into_iter().map(|answer| answer.expect(200).json::<LoginResponse>().refresh_token.unwrap()).collect();
    next.dedup();
    assert_eq!(next.len(), 1, "{next:?}");
    assert_ne!(next[0], refresh_token(&first));
    let row = session_find(world.hub.database(), session.into()).await.unwrap().unwrap();
    assert_eq!((row.number, row.ended_at), (1, None));
    clock.fetch_add(8, Ordering::SeqCst);
    assert_eq!(
        refresh(&world.client, refresh_token(&first)).await.expect(200).json::<LoginResponse>().refresh_token.as_ref(),
        Some(&next[0])
    );
    let third: LoginResponse = refresh(&world.client, &next[0]).await.expect(200).json();
    assert_eq!(status(&world.client, &third.access_token).await, 200);
    other.stop().await;
    world.end().await;
}

async fn a_refresh_token_that_was_used_before_ends_its_session_alone(delivery: Delivery) {
    let (world, clock) = frozen(delivery).await;
    let (first, beside) = (sign_in(&world.client).await, sign_in(&world.client).await);
    let session = session_id(&world.client, &first.access_token).await;
    let at_once = (0..20).map(|_| refresh(&world.client, refresh_token(&first)));
    let answers = futures_util::future::join_all(at_once).await;
    let successors: Vec<LoginResponse> = answers.into_iter().map(|answer| answer.expect(200).json()).collect();
    let second = &successors[0];
    assert!(successors.iter().all(|given| refresh_token(given) == refresh_token(second)));
    clock.fetch_add(11, Ordering::SeqCst);
    let problem = refresh(&world.client, refresh_token(&first)).await.problem(401);
    assert!(problem.detail.contains("used before"), "{problem:?}");
    for token in [second, &first] {
        assert_eq!(refresh(&world.client, refresh_token(token)).await.status, 401);
        assert_eq!(status(&world.client, &token.access_token).await, 401);
    }
    let row = session_find(world.hub.database(), session.into()).await.unwrap().unwrap();
    assert_eq!(row.end_reason.as_deref(), Some("refresh_reuse"));
    let reused = Filter { action: Some("session.refresh_reuse".to_owned()), ..Filter::default() };
    let recorded = audit_list(world.hub.database(), &reused, None, 100).await.unwrap();
    assert_eq!(recorded.iter().map(|(entry, _)| entry.target_id.as_str()).collect::<Vec<_>>(), [session.to_string()], "once");
    assert_eq!(status(&world.client, &beside.access_token).await, 200);
    let _goes_on = refresh(&world.client, refresh_token(&beside)).await.expect(200);
    world.end().await;
}

async fn a_sign_in_ends_when_it_is_not_used(delivery: Delivery) {
    let (world, clock) = frozen(delivery).await;
    let first = sign_in(&world.client).await;
    assert_eq!((first.expires_in, first.refresh_expires_in), (900, Some(7 * 86_400)));
    clock.fetch_add(906, Ordering::SeqCst);
    assert_eq!(status(&world.client, &first.access_token).await, 401);
    let mut last: LoginResponse = refresh(&world.client, refresh_token(&first)).await.expect(200).json();
    assert_eq!(status(&world.client, &last.access_token).await, 200);
    for _ in 0..4 {
        clock.fetch_add(6 * 86_400, Ordering::SeqCst);
        last = refresh(&world.client, refresh_token(&last)).await.expect(200).json();
    }
    assert!(last.refresh_expires_in.unwrap() <= 6 * 86_400, "thirty days after it began in any case");
    clock.fetch_add(6 * 86_400, Ordering::SeqCst);
    assert_eq!(refresh(&world.client, refresh_token(&last)).await.status, 401);
    let idle = sign_in(&world.client).await;
    let session = session_id(&world.client, &idle.access_token).await;
    clock.fetch_add(7 * 86_400, Ordering::SeqCst);
    assert_eq!(refresh(&world.client, refresh_token(&idle)).await.status, 401);
    clock.fetch_add(91 * 86_400, Ordering::SeqCst);
    // It may have run by itself.
    let _removed = world.door().reconcile("retention_sessions").await.unwrap();
    assert_eq!(session_find(world.hub.database(), session.into()).await.unwrap(), None);
    world.end().await;
}

async fn what_is_no_refresh_token_is_refused(delivery: Delivery) {
    let (world, _) = clocked(delivery).await;
    let given = sign_in(&world.client).await;
    let good = refresh_token(&given);
    let changed = format!("{}{}", &good[..good.len() - 2], if good.ends_with("AA") { "BA" } else { "AA" });
    for token in ["", "rgr_", "x", &given.access_token, &changed, &format!("{good}A"), &good[..good.len() - 1], &"rgr_".repeat(3000)] {
        assert_eq!(refresh(&world.client, token).await.problem(401).code, "unauthorized", "{token}");
    }
    assert_eq!(fields(&post(&world.client, "/api/v1/auth/refresh", &json!({})).await.problem(422)), ["refresh_token"]);
    assert_eq!(status(&world.client, good).await, 401, "it is no access token");
    let _goes_on = refresh(&world.client, good).await.expect(200);
    world.end().await;
}

async fn signing_out_ends_one_session_on_every_replica(delivery: Delivery) {
    let (world, _) = clocked(delivery).await;
    // One gateway: the others learn of a change a moment later.
    let here = world.client_of_door().await;
    let (other, other_client) = replica(&world).await;
    let (one, two, kept) = (sign_in(&here).await, sign_in(&here).await, sign_in(&other_client).await);
    for client in [&here, &other_client] {
        for token in [&one, &two, &kept] {
            assert_eq!(status(client, &token.access_token).await, 200, "every replica has seen it");
        }
    }
    let _out = as_user(&here, &one.access_token, Method::POST, "/api/v1/auth/logout", &json!({})).await.expect(204);
    is_out(&one.access_token, (&here, &other_client)).await;
    let by_refresh = json!({"refresh_token": refresh_token(&two)});
    for _ in 0..2 {
        let _out = post(&here, "/api/v1/auth/logout", &by_refresh).await.expect(204);
    }
    is_out(&two.access_token, (&here, &other_client)).await;
    for token in [&one, &two] {
        assert_eq!(refresh(&other_client, refresh_token(token)).await.status, 401);
    }
    assert_eq!(post(&here, "/api/v1/auth/logout", &json!({})).await.status, 401);
    assert_eq!(post(&here, "/api/v1/auth/logout", &json!({"refresh_token": "x"})).await.status, 401);
    assert_eq!(status(&here, &kept.access_token).await, 200);
    other.stop().await;
    world.end().await;
}

async fn a_new_password_ends_all_others_on_every_replica(delivery: Delivery) {
    let (world, _) = clocked(delivery).await;
    // One gateway: the others learn of a change a moment later.
    let here = world.client_of_door().await;
    let (other, other_client) = replica(&world).await;
    let (mine, elsewhere) = (sign_in(&here).await, sign_in(&other_client).await);
    for client in [&here, &other_client] {
        assert_eq!((status(client, &mine.access_token).await, status(client, &elsewhere.access_token).await), (200, 200));
    }
    let change = async |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        as_user(&here, &mine.access_token, Method::POST, "/api/v1/auth/change-password", &body).await
    };
    for (new, said) in [("short", "12 to 256"), (&"x".repeat(257), "12 to 256"), (PASSWORD, "current password")] {
        let problem = change(PASSWORD, new).await.problem(422);
        assert!(fields(&problem) == ["new_password"] && problem.detail.contains(said), "{problem:?}");
    }
    assert_eq!(fields(&change("wrong", "another-password").await.problem(422)), ["current_password"]);
    assert_eq!(status(&here, &elsewhere.access_token).await, 200, "nothing was changed");
    let given: LoginResponse = change(PASSWORD, "another-password").await.expect(200).json();
    is_out(&elsewhere.access_token, (&here, &other_client)).await;
    is_out(&mine.access_token, (&here, &other_client)).await;
    assert_eq!(refresh(&here, refresh_token(&elsewhere)).await.status, 401);
    for client in [&here, &other_client] {
        assert_eq!(status(client, &given.access_token).await, 200);
        let old = json!({"username": "admin", "password": PASSWORD});
        assert_eq!(post(client, "/api/v1/auth/login", &old).await.status, 401);
        let new = json!({"username": "admin", "password": "another-password"});
        let _in = post(client, "/api/v1/auth/login", &new).await.expect(200);
    }
    let _goes_on = refresh(&other_client, refresh_token(&given)).await.expect(200);
    other.stop().await;
    world.end().await;
}

async fn whoever_is_deactivated_is_out_on_every_replica(delivery: Delivery) {
    let (world, _) = clocked(delivery).await;
    let (other, other_client) = replica(&world).await;
    let (given, database) = (sign_in(&world.client).await, world.hub.database());
    for client in [&world.client, &other_client] {
        assert_eq!(status(client, &given.access_token).await, 200);
    }
    let admin = user_find(database, "admin").await.unwrap().unwrap();
    assert!(user_insert_if_absent(database, &test_support::change(), "another", "", Utc::now()).await.unwrap());
    let _out = user_set_active(database, admin.id, false, &Change::by_hub(), Utc::now()).await.unwrap().unwrap();
    for client in [&world.client, &other_client] {
        is_out_soon(&given.access_token, client).await;
        assert_eq!(refresh(client, refresh_token(&given)).await.status, 401);
        assert_eq!(post(client, "/api/v1/auth/login", &json!({"username": "admin", "password": PASSWORD})).await.status, 401);
    }
    let _back = user_set_active(database, admin.id, true, &Change::by_hub(), Utc::now()).await.unwrap().unwrap();
    let again = sign_in(&other_client).await;
    assert_eq!(status(&other_client, &again.access_token).await, 200);
    assert_eq!(status(&world.client, &given.access_token).await, 401, "what has ended stays so");
    other.stop().await;
    world.end().await;
}

async fn one_sees_and_ends_ones_own_sessions_alone(delivery: Delivery) {
    let (world, _) = clocked(delivery).await;
    let database = world.hub.database();
    let (one, two) = (sign_in(&world.client).await, sign_in(&world.client).await);
    let hash = user_find(database, "admin").await.unwrap().unwrap().password_hash;
    assert!(user_insert_if_absent(database, &test_support::change(), "ana", &hash, Utc::now()).await.unwrap());
    let ana = user_find(database, "ana").await.unwrap().unwrap();
    let profile = Profile { email: Some(Some("Ana@Example.com".to_owned())), display_name: Some(Some("Ana Lima".to_owned())) };
    let _changed = user_update(database, ana.id, &profile, &Change::by_hub(), Utc::now()).await.unwrap().unwrap();
    let by_mail = json!({"email": "ANA@example.com", "password": PASSWORD});
    let of_ana: LoginResponse = post(&world.client, "/api/v1/auth/login", &by_mail).await.expect(200).json();
    let me: Me = as_user(&world.client, &of_ana.access_token, Method::GET, "/api/v1/auth/me", &Value::Null).await.expect(200).json();
    let user = me.user.unwrap();
    assert_eq!((user.id, user.email.as_deref(), user.display_name.as_deref()), (ana.id.get(), Some("ana@example.com"), Some("Ana Lima")));
    let list = async |token: &str| -> Vec<Session> {
        as_user(&world.client, token, Method::GET, "/api/v1/auth/sessions", &Value::Null).await.expect(200).json()
    };
    let own = list(&of_ana.access_token).await;
    assert_eq!(own.iter().map(|session| (session.id, session.is_current)).collect::<Vec<_>>(), [(user.session_id, true)]);
    assert_eq!(own[0].address.as_deref(), Some("127.0.0.1"));
    let (current, last) = (session_id(&world.client, &one.access_token).await, session_id(&world.client, &two.access_token).await);
    let admins = list(&one.access_token).await;
    assert_eq!(admins.iter().find(|session| session.is_current).map(|session| session.id), Some(current));
    let end = async |token: &str, id: Uuid| {
        as_user(&world.client, token, Method::DELETE, &format!("/api/v1/auth/sessions/{id}"), &Value::Null).await
    };
    assert_eq!(end(&of_ana.access_token, last).await.problem(404).code, "not_found", "somebody else's");
    let _ended = end(&one.access_token, last).await.expect(204);
    world.everywhere("it has ended", async || status(&world.client, &two.access_token).await == 401).await;
    assert_eq!(end(&one.access_token, last).await.problem(404).code, "not_found", "it has ended");
    assert!(!list(&one.access_token).await.iter().any(|session| session.id == last));
    assert_eq!(session_list_live(database, ana.id, Utc::now(), (None, 9)).await.unwrap().len(), 1);
    world.end().await;
}

async fn a_form_signs_in_and_refreshes(delivery: Delivery) {
    let (world, _) = clocked(delivery).await;
    let form = async |fields: &[(&str, &str)]| {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(fields);
        let request = world.client.bare(Method::POST, "/auth/token").header("content-type", "application/x-www-form-urlencoded");
        world.client.send(request.body(text.finish())).await
    };
    let given: LoginResponse = form(&[("username", "admin"), ("password", PASSWORD), ("scope", "")]).await.expect(200).json();
    assert_eq!(status(&world.client, &given.access_token).await, 200);
    let _given = form(&[("grant_type", "password"), ("username", "admin"), ("password", PASSWORD)]).await.expect(200);
    let next: LoginResponse = form(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token(&given))]).await.expect(200).json();
    assert_eq!(status(&world.client, &next.access_token).await, 200);
    assert_eq!(form(&[("username", "admin"), ("password", "wrong")]).await.problem(401).code, "unauthorized");
    for (sent, field) in [
        (vec![("username", "admin")], "password"),
        (vec![("password", "x")], "username"),
        (vec![("grant_type", "refresh_token")], "refresh_token"),
        (vec![("grant_type", "client_credentials")], "grant_type"),
        (vec![], "username"),
    ] {
        assert_eq!(fields(&form(&sent).await.problem(422)), [field]);
    }
    world.end().await;
}

async fn guessing_is_slowed_and_locks_nobody_out(delivery: Delivery) {
    let (mut world, clock) = frozen(delivery).await;
    // Each gateway counts for itself.
    world.client = world.client_of_door().await;
    let guess = async |name: &str| post(&world.client, "/api/v1/auth/login", &json!({"username": name, "password": "wrong"})).await;
    // Nobody has this name: it is slowed like any other, and shows nothing.
    let mut slowed = None;
    for nth in 0..12 {
        let answer = guess("nobody").await;
        match answer.status.as_u16() {
            401 => assert!(nth < 11, "guess {nth}"),
            _ => slowed = Some(answer),
        }
    }
    let slowed = slowed.unwrap();
    assert_eq!(slowed.problem(429).code, "too_many_requests");
    let wait: i64 = slowed.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    clock.fetch_add(2, Ordering::SeqCst);
    assert_eq!(guess("nobody").await.status, 401, "after the wait it is looked at");
    // This address is slowed for all, but for whom it is known.
    for nth in 0..30 {
        let _answer = guess(&format!("somebody {nth}")).await;
    }
    assert_eq!(guess("anybody").await.status, 429);
    assert_eq!(guess("admin").await.status, 429, "never signed in from here");
    clock.fetch_add(3601, Ordering::SeqCst);
    let _known_from_now_on = sign_in(&world.client).await;
    for nth in 0..30 {
        let _answer = guess(&format!("somebody {nth}")).await;
    }
    assert_eq!(guess("anybody").await.status, 429);
    let _let_in = sign_in(&world.client).await;
    world.end().await;
}
