//! The service behind the proxies that are compared: it answers every request with the same bytes, so that it costs next to nothing beside them.

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// About what a job looks like.
const BODY: &str = concat!(
    r#"[{"id":"01a21889-0000-7000-8000-000000000000","automation_id":7,"status":"completed","trigger":"API","priority":5,"#,
    r#""parameters":{"name":"Maria","year":2026},"requested_by":"admin","created_at":"2026-11-26T09:36:48.120Z","#,
    r#""started_at":"2026-11-26T09:36:48.123Z","ended_at":"2026-11-26T09:36:49.456Z","result":{"greeted":"Maria"}}]"#
);

/// Serves until it is ended; says where on standard output.
pub(crate) async fn run() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    crate::document::say(&listener.local_addr()?.to_string())?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            // A connection that breaks is a proxy's end.
            let _broken = serve(stream).await;
        });
    }
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len());
    let mut buffer = Vec::with_capacity(8 << 10);
    loop {
        while !buffer.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        buffer.clear();
        stream.write_all(answer.as_bytes()).await?;
    }
}
