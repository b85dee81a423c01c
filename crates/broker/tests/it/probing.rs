//! Probing a broker.

use broker::{Broker, Error};

use crate::support::url;

#[tokio::test]
async fn a_probe_reports_whether_the_login_is_accepted() {
    Broker::probe(&url()).await.unwrap();
    let at = url().rfind('@').unwrap();
    let address = url()[at + 1..].to_owned();
    let refused = Broker::probe(&format!("amqp://nobody:wrong@{address}")).await;
    assert!(matches!(&refused, Err(Error::Refused { code: 403, .. })), "{refused:?}");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let away = Broker::probe(&format!("amqp://{closed}/")).await;
    assert!(matches!(&away, Err(Error::Unreachable { .. })), "{away:?}");
    assert_eq!(Broker::probe("http://x").await, Err(Error::InvalidUrl));
}
