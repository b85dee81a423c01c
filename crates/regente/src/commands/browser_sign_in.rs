//! Signing in at the hub's identity provider, with a browser on this machine (RFC 8252).
//!
//! What must hold: the tokens come over the connection to the hub alone; what the browser brings is a code that is of no use without the verifier,
//! which stays here. So nobody who opens a page of this machine can sign this program in as somebody else.

use std::{io, time::Duration};

use api_types::{LoginResponse, OidcTokenRequest};
use auth::{code_challenge, random_secret};
use client::Client;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::Fault;
use crate::terminal;

/// As long as the hub waits for the browser.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long a browser may take for its request.
const REQUEST: Duration = Duration::from_secs(5);
/// Bytes of the first line of a request.
const MOST_LINE: u64 = 8 * 1024;

const DONE: &str = "Signed in, or not: the terminal tells. You can close this window.\n";
const UNKNOWN: &str = "There is nothing here.\n";

/// Waits until a browser has signed somebody in, and collects the tokens.
pub(super) async fn sign_in(client: &Client, url: &str, opens_browser: bool) -> Result<LoginResponse, Fault> {
    let Some(way) = client.sign_in_ways().await?.oidc else {
        return Err(Fault::input(format!("the hub at {url} has no identity provider: sign in with a password, without --sso")));
    };
    if !(way.start.starts_with("https://") || way.start.starts_with("http://")) {
        return Err(Fault::here(format!("the hub at {url} names no address to sign in at")));
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let (path, verifier) = (format!("/{}", random_secret(22)), random_secret(43));
    let return_to = format!("http://{}{path}", listener.local_addr()?);
    // Nothing of it has to be escaped in a query.
    let address = format!("{}?return_to={return_to}&code_challenge={}", way.start, code_challenge(&verifier));
    terminal::note(&format!("Sign in with {} in a browser on this machine:\n\n  {address}\n", way.name));
    // The error is of no use to anybody: it names the launchers that were tried, each with the address.
    if opens_browser && open::that_detached(&address).is_err() {
        terminal::note("no browser could be started: open the address yourself");
    }
    let code = timeout(PATIENCE, code(&listener, &path)).await;
    let code = code.map_err(|_| Fault::here("no browser came back within 10 minutes: try again"))??;
    Ok(client.oidc_token(&OidcTokenRequest { code, code_verifier: verifier }).await?)
}

/// The code that a browser brings to `path`. Other requests are answered and forgotten.
async fn code(listener: &TcpListener, path: &str) -> io::Result<String> {
    loop {
        let (stream, _) = listener.accept().await?;
        if let Ok(Ok(Some(code))) = timeout(REQUEST, answer(stream, path)).await {
            return Ok(code);
        }
    }
}

async fn answer(mut stream: TcpStream, path: &str) -> io::Result<Option<String>> {
    let mut line = String::new();
    let (read, mut write) = stream.split();
    tokio::io::AsyncReadExt::take(BufReader::new(read), MOST_LINE).read_line(&mut line).await?;
    let code = code_of(&line, path).map(str::to_owned);
    let (status, text) = if code.is_some() { ("200 OK", DONE) } else { ("404 Not Found", UNKNOWN) };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    write.write_all(answer.as_bytes()).await?;
    write.shutdown().await?;
    Ok(code)
}

/// The code in the first line of a request.
fn code_of<'a>(line: &'a str, path: &str) -> Option<&'a str> {
    let query = line.strip_prefix("GET ")?.strip_prefix(path)?.strip_prefix('?')?.split(' ').next()?;
    query.split('&').find_map(|pair| pair.strip_prefix("code=")).filter(|code| !code.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_path_brings_a_code() {
        for (line, expected) in [
            ("GET /abc?code=x HTTP/1.1\r\n", Some("x")),
            ("GET /abc?a=b&code=x&c HTTP/1.1\r\n", Some("x")),
            ("GET /abc?code= HTTP/1.1\r\n", None),
            ("GET /abc?decode=x HTTP/1.1\r\n", None),
            ("GET /abc HTTP/1.1\r\n", None),
            ("GET /abcd?code=x HTTP/1.1\r\n", None),
            ("GET /?code=x HTTP/1.1\r\n", None),
            ("POST /abc?code=x HTTP/1.1\r\n", None),
            ("", None),
        ] {
            assert_eq!(code_of(line, "/abc"), expected, "{line}");
        }
    }
}
