//! The master key, and the keys that sign access tokens, as operators handle them.

use std::os::unix::fs::PermissionsExt as _;

use crate::{
    client::{PASSWORD, sign_in},
    process::Place,
};

fn place() -> Place {
    Place::new().with("REGENTE__ADMIN__PASSWORD", PASSWORD)
}

async fn done(place: &Place, arguments: &[&str]) -> String {
    let ended = place.run(arguments).await;
    assert!(ended.status.success(), "{ended:?}");
    ended.out.trim().to_owned()
}

async fn jobs(address: &str, token: &str) -> u16 {
    let client = client::Client::new(client::Settings::new(address)).unwrap().with_token(&token.to_owned().into()).unwrap();
    client.request(reqwest::Method::GET, "/api/v1/jobs").send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_first_start_makes_a_master_key_and_a_later_one_needs_it() {
    let place = place();
    let mut hub = place.start(&["up"]);
    let (_, token) = sign_in(&hub.address().await, PASSWORD).await;
    hub.stop().await;
    let file = place.path("data/master.key");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let key = std::fs::read_to_string(&file).unwrap();
    let database = std::fs::read(place.path("data/regente.db")).unwrap();
    assert!(!database.windows(key.trim().len()).any(|part| part == key.trim().as_bytes()));

    std::fs::remove_file(&file).unwrap();
    let lost = place.run(&["up"]).await;
    let line = lost.one_line().to_owned();
    for words in ["sealed with the master key", "is not here", "REGENTE_MASTER_KEY"] {
        assert!(line.contains(words), "{line}");
    }
    assert!(!file.exists(), "a new key would open nothing");
    let other = done(&place, &["secrets", "key"]).await;
    let wrong = place.run_with("REGENTE_MASTER_KEY", &other, &["up"]).await;
    assert!(wrong.one_line().contains("is not here"), "{wrong:?}");
    let nonsense = place.run_with("REGENTE_MASTER_KEY", "nonsense", &["up"]).await;
    assert!(nonsense.one_line().contains("REGENTE_MASTER_KEY: master key 1 must be 32 bytes in base64"), "{nonsense:?}");
    assert!(!nonsense.err.contains("nonsense\""), "{nonsense:?}");

    std::fs::write(&file, key).unwrap();
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    assert_eq!(jobs(&address, &token.unwrap()).await, 200, "the same keys");
    hub.stop().await;
}

#[tokio::test]
async fn keys_are_rotated_while_the_hub_runs_and_nobody_is_signed_out() {
    let place = place();
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    let (_, token) = sign_in(&address, PASSWORD).await;
    let token = token.unwrap();
    let said = done(&place, &["keys", "rotate"]).await;
    assert!(said.contains("new key"), "{said}");
    assert_eq!(jobs(&address, &token).await, 200);
    let kid = |token: &str| auth::key_id(token).unwrap();
    let next = async || {
        let (_, next) = sign_in(&address, PASSWORD).await;
        next.filter(|next| said.contains(&kid(next)))
    };
    let next = test_support::eventually("the new key signs", next).await;
    assert_ne!(kid(&next), kid(&token));
    assert_eq!(jobs(&address, &next).await, 200);

    let old = std::fs::read_to_string(place.path("data/master.key")).unwrap();
    let new = done(&place, &["secrets", "key"]).await;
    std::fs::write(place.path("data/master.key"), format!("{new},{old}")).unwrap();
    assert!(
        done(&place, &["secrets", "rotate"]).await.contains(" 3 secrets "),
        "the signing key's, the refresh key's and the worker key's"
    );
    assert!(done(&place, &["secrets", "rotate"]).await.contains(" 0 secrets "));
    hub.stop().await;
    std::fs::write(place.path("data/master.key"), new).unwrap();
    let mut hub = place.start(&["up"]);
    assert_eq!(jobs(&hub.address().await, &next).await, 200, "the old master key is not needed any more");
    hub.stop().await;
}
