//! Bodies that are announced and not sent to their end. Their memory has a bound, they end at their deadline, and nobody else waits for them.

use futures_util::future::join_all;
use serde_json::{Value, json};
use test_support::eventually;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    client::{Client, PASSWORD, sign_in},
    process::Place,
};

/// Connections of each kind.
const CONNECTIONS: usize = 250;
const ANNOUNCED: usize = 3_900_000;
/// What all bodies may take together.
const BUDGET: u64 = 32 << 20;
/// What a connection takes beside the body that was read of it: the buffers of its socket's reader.
const BUFFERS: u64 = 256 << 10;

/// Sends a request whose last byte does not come, and returns the answer's status once the hub has ended the connection or given one.
async fn held(address: &str, path: &str, credentials: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address.trim_start_matches("http://")).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{credentials}content-length: {ANNOUNCED}\r\n\r\n");
    let (mut reader, mut writer) = stream.split();
    let send = async {
        writer.write_all(head.as_bytes()).await?;
        let part = vec![b' '; 64 << 10];
        let mut left = ANNOUNCED - 1;
        while left > 0 {
            let next = left.min(part.len());
            writer.write_all(&part[..next]).await?;
            left -= next;
        }
        std::future::pending::<std::io::Result<()>>().await
    };
    let receive = async {
        let mut text = vec![0; 4096];
        let read = reader.read(&mut text).await.unwrap_or(0);
        String::from_utf8_lossy(&text[..read]).split(' ').nth(1).and_then(|status| status.parse().ok())
    };
    tokio::pin!(receive);
    tokio::select! {
        // Whoever does not listen to a refusal is cut off; the answer may be there all the same.
        _ = send => receive.await,
        status = &mut receive => status,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_of_them_stay_within_the_memory_of_bodies_and_end_at_their_deadline() {
    let place = Place::new()
        .with("REGENTE__ADMIN__PASSWORD", PASSWORD)
        .with("REGENTE__HTTP__BODY_MEMORY", &BUDGET.to_string())
        .with("REGENTE__EDGE__ANONYMOUS_PER_MINUTE", "0")
        .with("REGENTE__HTTP__BODY_TIMEOUT", "3s");
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    let client = Client::new(&address, PASSWORD).await;
    let (_, token) = sign_in(&address, PASSWORD).await;
    let automation = client.shell("quick", &place.write("robot.sh", "true\n")).await;
    let execute = format!("/api/v1/automations/{}/execute", automation.id);
    let before = hub.peak_memory();
    let signed_in = format!("authorization: Bearer {}\r\n", token.unwrap());
    let known: Vec<_> = (0..CONNECTIONS).map(|_| held(&address, &execute, &signed_in)).collect();
    let unknown: Vec<_> = (0..CONNECTIONS).map(|_| held(&address, &execute, "")).collect();
    let ends = async { tokio::join!(join_all(known), join_all(unknown)) };
    tokio::pin!(ends);
    let mut served = 0;
    let (known, unknown) = loop {
        tokio::select! {
            ends = &mut ends => break ends,
            jobs = client.get::<Vec<Value>>("/api/v1/jobs") => {
                assert!(jobs.is_empty());
                served += 1;
            }
        }
    };
    assert!(served > 0, "nobody was served meanwhile");
    let count = |ends: &[Option<u16>], status| ends.iter().filter(|end| **end == Some(status)).count();
    let (late, no_room) = (count(&known, 408), count(&known, 503));
    assert!(late > 0 && no_room > 0, "of those signed in some wait for their deadline, the others find no room: {known:?}");
    assert_eq!(
        count(&unknown, 401) + count(&unknown, 408) + unknown.iter().filter(|end| end.is_none()).count(),
        CONNECTIONS,
        "{unknown:?}"
    );
    // A growing buffer holds its old and its new bytes for a moment.
    let bound = 3 * BUDGET + 2 * CONNECTIONS as u64 * BUFFERS;
    let taken = hub.peak_memory() - before;
    println!("{late} late, {no_room} without room, {served} served meanwhile, {taken} bytes");
    assert!(taken < bound, "{taken} bytes, not {bound}");
    let room = async || (client.post(&execute, &json!({})).await.status() == 202).then_some(());
    eventually("there is room again", room).await;
    hub.stop().await;
}
