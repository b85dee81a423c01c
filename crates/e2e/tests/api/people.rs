//! Users, as administrators manage them: who may sign in, with what, and that somebody always may manage the hub.

use api_types::{LoginResponse, Me, Session, User, UserCreated};
use e2e::{Answer, Client, Delivery, World, on_both};
use reqwest::Method;
use serde_json::{Value, json};
use store::identity::user_find;
use test_support::eventually;
use uuid::Uuid;

use crate::support::{body_of_any, calm, fields, replica};

on_both!(
    a_user_is_added_and_signs_in_with_the_password_that_was_shown_once,
    what_a_user_cannot_be_is_named,
    nobody_has_a_name_or_address_that_somebody_has,
    users_are_listed_page_by_page_and_found_by_any_of_their_names,
    a_user_is_changed_field_by_field,
    a_reset_password_ends_sessions_and_is_replaced_at_the_next_sign_in,
    whoever_is_deactivated_is_out_at_once_and_comes_back_as_before,
    administrators_see_and_end_sessions_of_others,
    the_last_administrator_stays,
);

const PASSWORD: &str = "a password for tests";

/// Adds a user who need not change the password; returns it and their access token.
async fn add(client: &Client, name: &str) -> (User, String) {
    let body = json!({"username": name, "password": PASSWORD, "must_change_password": false});
    let created: UserCreated = client.post("/api/v1/users", &body).await.expect(201).json();
    (created.user, sign_in(client, name, PASSWORD).await.expect(200).json::<LoginResponse>().access_token)
}

async fn sign_in(client: &Client, name: &str, password: &str) -> Answer {
    client.send(client.bare(Method::POST, "/api/v1/auth/login").json(&json!({"username": name, "password": password}))).await
}

async fn as_user(client: &Client, token: &str, method: Method, path: &str, body: &Value) -> Answer {
    client.send(client.bare(method, path).bearer_auth(token).json(body)).await
}

async fn status(client: &Client, token: &str) -> u16 {
    as_user(client, token, Method::GET, "/api/v1/auth/me", &Value::Null).await.status.as_u16()
}

/// At once where the change was made, soon elsewhere.
async fn is_out(token: &str, world: &World, elsewhere: &Client) {
    world.everywhere("they are out", async || status(&world.client, token).await == 401).await;
    eventually("the replica hears of it", async || (status(elsewhere, token).await == 401).then_some(())).await;
}

async fn a_user_is_added_and_signs_in_with_the_password_that_was_shown_once(delivery: Delivery) {
    let world = calm(delivery).await;
    let body = json!({"username": "ana", "email": "Ana@Example.com", "display_name": "Ana Lima"});
    let created: UserCreated = world.client.post("/api/v1/users", &body).await.expect(201).json();
    let (user, password) = (created.user, created.password.unwrap());
    assert_eq!((user.username.as_str(), user.email.as_deref()), ("ana", Some("ana@example.com")));
    assert!(password.len() >= 20 && user.must_change_password && user.is_active);
    let shown = world.client.get(&format!("/api/v1/users/{}", user.id)).await.expect(200);
    assert_eq!(shown.json::<User>(), user);
    assert!(!shown.text.contains(&password) && !shown.text.contains("argon2"), "{}", shown.text);
    let given: LoginResponse = sign_in(&world.client, "ana", &password).await.expect(200).json();
    assert!(given.must_change_password);
    let ask = async |token: &str, method, path: &str, body: &Value| as_user(&world.client, token, method, path, body).await;
    let me: Me = ask(&given.access_token, Method::GET, "/api/v1/auth/me", &Value::Null).await.expect(200).json();
    assert!(me.user.unwrap().must_change_password);
    for path in ["/api/v1/users", "/api/v1/jobs", "/api/v1/worker-tokens"] {
        let refused = ask(&given.access_token, Method::GET, path, &Value::Null).await.problem(403);
        assert!(refused.detail.contains("change your password first"), "{refused:?}");
    }
    let change = json!({"current_password": password, "new_password": PASSWORD});
    let next: LoginResponse = ask(&given.access_token, Method::POST, "/api/v1/auth/change-password", &change).await.expect(200).json();
    assert!(!next.must_change_password);
    assert_eq!(ask(&next.access_token, Method::GET, "/api/v1/auth/me", &Value::Null).await.status, 200);
    let again: LoginResponse = sign_in(&world.client, "ana", PASSWORD).await.expect(200).json();
    assert!(!again.must_change_password);
    world.end().await;
}

async fn what_a_user_cannot_be_is_named(delivery: Delivery) {
    let world = calm(delivery).await;
    for (body, named) in [
        (json!({"username": "service:scheduler"}), "username"),
        (json!({"username": "scheduler"}), "username"),
        (json!({"username": "orchestrator"}), "username"),
        (json!({"username": "Ana"}), "username"),
        (json!({"username": "\u{430}na"}), "username"),
        (json!({"username": ""}), "username"),
        (json!({"username": "a".repeat(65)}), "username"),
        (json!({"username": "ana", "email": "nowhere"}), "email"),
        (json!({"username": "ana", "email": "a@b\u{0}"}), "email"),
        (json!({"username": "ana", "display_name": "a\u{202e}b"}), "display_name"),
        (json!({"username": "ana", "password": "short"}), "password"),
        (json!({"username": "ana.maria.silva", "password": "Ana.Maria.Silva"}), "password"),
        (json!({"username": "ana", "password": "Password123456"}), "password"),
        (json!({"username": "ana", "role": "admin"}), "role"),
        (json!({}), "username"),
    ] {
        assert_eq!(fields(&world.client.post("/api/v1/users", &body).await.problem(422)), [named], "{body}");
    }
    let nobody = format!("/api/v1/users/{}", Uuid::nil());
    assert_eq!(world.client.get(&nobody).await.problem(404).code, "not_found");
    for action in ["deactivate", "reactivate", "reset-password"] {
        assert_eq!(world.client.post(&format!("{nobody}/{action}"), &json!({})).await.problem(404).code, "not_found");
    }
    for query in ["limit=0", "limit=1001", "is_active=x", "search=%00", "colour=1"] {
        assert_eq!(fields(&world.client.get(&format!("/api/v1/users?{query}")).await.problem(400)), [query.split('=').next().unwrap()]);
    }
    world.end().await;
}

async fn nobody_has_a_name_or_address_that_somebody_has(delivery: Delivery) {
    let world = calm(delivery).await;
    let body = |name: &str, email: &str| json!({"username": name, "email": email, "password": PASSWORD});
    let _ana = world.client.post("/api/v1/users", &body("ana", "ana@example.com")).await.expect(201);
    let bia: UserCreated = world.client.post("/api/v1/users", &body("bia", "bia@example.com")).await.expect(201).json();
    assert!(bia.password.is_none(), "it is known already");
    assert_eq!(world.client.post("/api/v1/users", &body("ana", "other@example.com")).await.problem(409).code, "username_taken");
    assert_eq!(world.client.post("/api/v1/users", &body("cid", "ANA@example.com")).await.problem(409).code, "email_taken");
    let update = json!({"email": "Ana@Example.com"});
    let path = format!("/api/v1/users/{}", bia.user.id);
    let taken = world.client.send(world.client.request(Method::PUT, &path).json(&update)).await;
    assert_eq!(taken.problem(409).code, "email_taken");
    world.end().await;
}

async fn users_are_listed_page_by_page_and_found_by_any_of_their_names(delivery: Delivery) {
    let world = calm(delivery).await;
    for (name, email, display) in [("dora", "d@x", "Dora"), ("bia", "b@x", "Beatriz"), ("caio", "c@beatles.example", "Caio 100%")] {
        let body = json!({"username": name, "email": email, "display_name": display, "password": PASSWORD});
        let _added = world.client.post("/api/v1/users", &body).await.expect(201);
    }
    let names = async |query: &str| -> Vec<String> {
        let found: Vec<User> = world.client.get(&format!("/api/v1/users?{query}")).await.expect(200).json();
        found.into_iter().map(|user| user.username).collect()
    };
    assert_eq!(names("").await, ["admin", "bia", "caio", "dora"]);
    let first = world.client.get("/api/v1/users?limit=3").await.expect(200);
    assert_eq!(first.headers["link"], "</api/v1/users?limit=3&after=caio>; rel=\"next\"");
    assert_eq!(names("limit=3&after=caio").await, ["dora"]);
    assert_eq!(names("search=BEAT").await, ["bia", "caio"]);
    assert_eq!(names("search=%25").await, ["caio"], "a sign, not a pattern");
    assert_eq!(names("search=nobody").await, [""; 0]);
    let bia = user_find(world.hub.database(), "bia").await.unwrap().unwrap();
    let _out = world.client.post(&format!("/api/v1/users/{}/deactivate", bia.id), &json!({})).await.expect(200);
    assert_eq!((names("is_active=false").await, names("is_active=true&search=bia").await), (vec!["bia".to_owned()], vec![]));
    world.end().await;
}

async fn a_user_is_changed_field_by_field(delivery: Delivery) {
    let world = calm(delivery).await;
    let body = json!({"username": "ana", "email": "a@x", "display_name": "Ana", "password": PASSWORD});
    let created: UserCreated = world.client.post("/api/v1/users", &body).await.expect(201).json();
    let path = format!("/api/v1/users/{}", created.user.id);
    let put = async |body: &Value| world.client.send(world.client.request(Method::PUT, &path).json(body)).await;
    let user: User = put(&json!({"email": "B@x"})).await.expect(200).json();
    assert_eq!((user.email.as_deref(), user.display_name.as_deref()), (Some("b@x"), Some("Ana")));
    let user: User = put(&json!({"email": null, "display_name": "Ana L."})).await.expect(200).json();
    assert_eq!((user.email, user.display_name.as_deref()), (None, Some("Ana L.")));
    let unchanged: User = put(&json!({})).await.expect(200).json();
    assert_eq!(unchanged.display_name.as_deref(), Some("Ana L."));
    for (body, named) in
        [(json!({"email": "x"}), "email"), (json!({"display_name": ""}), "display_name"), (json!({"username": "b"}), "username")]
    {
        assert_eq!(fields(&put(&body).await.problem(422)), [named]);
    }
    world.end().await;
}

async fn a_reset_password_ends_sessions_and_is_replaced_at_the_next_sign_in(delivery: Delivery) {
    let world = calm(delivery).await;
    let (other, other_client) = replica(&world).await;
    let (ana, token) = add(&world.client, "ana").await;
    assert_eq!((status(&world.client, &token).await, status(&other_client, &token).await), (200, 200));
    let path = format!("/api/v1/users/{}/reset-password", ana.id);
    for (password, said) in [("short", "12 to 256"), ("ana", "12 to 256"), ("123456789012", "commonest")] {
        let refused = world.client.post(&path, &json!({"password": password})).await.problem(422);
        assert!(fields(&refused) == ["password"] && refused.detail.contains(said), "{refused:?}");
    }
    assert_eq!(status(&world.client, &token).await, 200, "nothing was changed");
    let reset: UserCreated = world.client.post(&path, &json!({})).await.expect(200).json();
    is_out(&token, &world, &other_client).await;
    assert_eq!(sign_in(&world.client, "ana", PASSWORD).await.status, 401);
    let password = reset.password.unwrap();
    let given: LoginResponse = sign_in(&other_client, "ana", &password).await.expect(200).json();
    assert!(given.must_change_password);
    let body = json!({"password": "another password for tests", "must_change_password": false});
    let reset: UserCreated = world.client.post(&path, &body).await.expect(200).json();
    assert!(reset.password.is_none() && !reset.user.must_change_password);
    let _in = sign_in(&other_client, "ana", "another password for tests").await.expect(200);
    other.stop().await;
    world.end().await;
}

async fn whoever_is_deactivated_is_out_at_once_and_comes_back_as_before(delivery: Delivery) {
    let world = calm(delivery).await;
    let (other, other_client) = replica(&world).await;
    let (ana, token) = add(&world.client, "ana").await;
    assert_eq!((status(&world.client, &token).await, status(&other_client, &token).await), (200, 200));
    let path = format!("/api/v1/users/{}", ana.id);
    for _ in 0..2 {
        let user: User = world.client.post(&format!("{path}/deactivate"), &json!({})).await.expect(200).json();
        assert!(!user.is_active);
    }
    is_out(&token, &world, &other_client).await;
    for client in [&world.client, &other_client] {
        let (wrong, right) = (sign_in(client, "ana", "wrong").await, sign_in(client, "ana", PASSWORD).await);
        assert_eq!((right.status.as_u16(), body_of_any(&right)), (401, body_of_any(&wrong)), "the answer does not tell");
    }
    let user: User = world.client.post(&format!("{path}/reactivate"), &json!({})).await.expect(200).json();
    assert!(user.is_active);
    assert_eq!(status(&world.client, &token).await, 401, "what has ended stays so");
    let given: LoginResponse = sign_in(&other_client, "ana", PASSWORD).await.expect(200).json();
    assert_eq!(status(&world.client, &given.access_token).await, 200);
    other.stop().await;
    world.end().await;
}

async fn administrators_see_and_end_sessions_of_others(delivery: Delivery) {
    let world = calm(delivery).await;
    let (ana, first) = add(&world.client, "ana").await;
    let second: LoginResponse = sign_in(&world.client, "ana", PASSWORD).await.expect(200).json();
    let path = format!("/api/v1/users/{}/sessions", ana.id);
    let all: Vec<Session> = world.client.get(&path).await.expect(200).json();
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|session| !session.is_current));
    let page = world.client.get(&format!("{path}?limit=1")).await.expect(200);
    assert_eq!(page.json::<Vec<Session>>(), all[..1]);
    assert_eq!(page.headers["link"], format!("<{path}?limit=1&after={}>; rel=\"next\"", all[0].id));
    assert_eq!(world.client.get(&format!("{path}?after={}", all[0].id)).await.json::<Vec<Session>>(), all[1..]);
    let own = as_user(&world.client, &first, Method::GET, "/api/v1/auth/sessions?limit=1", &Value::Null).await.expect(200);
    assert!(own.headers.contains_key("link"));
    let end = async |user: Uuid, session: Uuid| {
        world.client.send(world.client.request(Method::DELETE, &format!("/api/v1/users/{user}/sessions/{session}"))).await
    };
    let admin = user_find(world.hub.database(), "admin").await.unwrap().unwrap();
    assert_eq!(end(admin.id.get(), all[0].id).await.problem(404).code, "not_found", "it is another's");
    let _ended = end(ana.id.get(), all[0].id).await.expect(204);
    assert_eq!((status(&world.client, &second.access_token).await, status(&world.client, &first).await), (401, 200));
    assert_eq!(end(ana.id.get(), all[0].id).await.problem(404).code, "not_found", "it has ended");
    world.end().await;
}

async fn the_last_administrator_stays(delivery: Delivery) {
    let world = calm(delivery).await;
    let admin = user_find(world.hub.database(), "admin").await.unwrap().unwrap();
    let path = format!("/api/v1/users/{}/deactivate", admin.id);
    let problem = world.client.post(&path, &json!({})).await.problem(409);
    assert_eq!(problem.code, "last_administrator");
    assert!(problem.detail.contains("administrator"), "{problem:?}");
    assert!(world.client.get("/api/v1/users").await.expect(200).json::<Vec<User>>()[0].is_active);
    world.end().await;
}
