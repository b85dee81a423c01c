//! E-mail, to an SMTP server that is not ours (aiosmtpd) and to some that misbehave.

use std::{path::Path, process::Stdio, time::Duration};

use api_types::ChannelTest;
use e2e::{Delivery, World, on_both};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};
use test_support::{Receiver, Reply};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use super::{create, test};
use crate::support::with;

on_both!(
    mail_is_encrypted_and_signed_in_and_says_what_it_should,
    nothing_is_sent_without_the_encryption_that_was_asked_for,
    an_smtp_server_that_hangs_or_refuses_is_a_clear_fault,
);

/// An SMTP server that tells what it takes.
pub(crate) struct Server {
    pub(crate) port: u16,
    told: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Server {
    pub(crate) async fn start(mode: &str, credentials: (&str, &str), folder: Option<&Path>) -> Self {
        let python = std::env::var("TEST_PYTHON").expect("TEST_PYTHON is not set: run the tests with `make test`");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/channels/smtp_server.py");
        let mut command = Command::new(python);
        command.args([script, mode, credentials.0, credentials.1]);
        if let Some(folder) = folder {
            command.args([folder.join("c.pem"), folder.join("k.pem")]);
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut told = BufReader::new(process.stdout.take().unwrap()).lines();
        let port =
            told.next_line().await.unwrap().expect("the Python of TEST_PYTHON lacks crates/e2e/requirements.txt: run scripts/python-venv");
        Self { port: port.parse().unwrap(), told, _process: process }
    }

    pub(crate) async fn mail(&mut self) -> Value {
        serde_json::from_str(&self.told.next_line().await.unwrap().unwrap()).unwrap()
    }
}

/// A hub that may send to this machine, and trusts the certificate that is written to the folder.
async fn trusting(delivery: Delivery, folder: &Path) -> World {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.join("k.pem"), signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("c.pem"), cert.pem()).unwrap();
    let ca_file = folder.join("c.pem");
    with(delivery, move |settings| {
        settings
            .change_section::<sla_monitor::Settings>(|sla| {
                sla.allow_private_addresses = vec!["127.0.0.0/8".parse().unwrap()];
                sla.ca_file = ca_file;
                sla.send_timeout = Duration::from_secs(5);
            })
            .unwrap();
    })
    .await
}

async fn sent(world: &World, name: &str, (security, port): (&str, u16), credentials: Option<(&str, &str)>, to: &[&str]) -> ChannelTest {
    let mut settings = json!({
        "host": "127.0.0.1", "port": port, "security": security, "from": "hub@example.com", "from_name": "Regente São Paulo", "to": to
    });
    let mut secrets = json!({});
    if let Some((user, password)) = credentials {
        (settings["username"], secrets["password"]) = (json!(user), json!(password));
    }
    let body = json!({"name": name, "kind": "email", "settings": settings, "secrets": secrets});
    test(world, &create(world, &body).await.channel).await
}

async fn mail_is_encrypted_and_signed_in_and_says_what_it_should(delivery: Delivery) {
    let folder = tempfile::tempdir().unwrap();
    let world = trusting(delivery, folder.path()).await;
    let credentials = ("regente", "pass-word-çã");
    for mode in ["starttls", "tls"] {
        let mut server = Server::start(mode, credentials, Some(folder.path())).await;
        let name = format!("Operação {mode} 🚨 de um nome que não cabe em uma só palavra codificada");
        let tried =
            sent(&world, &name, (mode, server.port), Some(credentials), &["ana@example.com", "refused@example.com", "bia@example.com"])
                .await;
        assert!(tried.sent && tried.status == Some(250), "{mode}: {tried:?}");
        assert!(tried.answer.contains("refused@example.com: ") && tried.answer.contains("no such mailbox"), "{tried:?}");
        let mail = server.mail().await;
        assert_eq!((&mail["encrypted"], &mail["user"], &mail["from"]), (&json!(true), &json!("regente"), &json!("hub@example.com")));
        assert_eq!(mail["to"], json!(["ana@example.com", "bia@example.com"]));
        assert_eq!(
            (mail["headers"]["subject"].as_str().unwrap(), &mail["subjects"]),
            (format!("ℹ️ [Regente] Teste do canal {name}").as_str(), &json!(1))
        );
        assert_eq!(mail["headers"]["from"], "Regente São Paulo <hub@example.com>");
        let (text, html) = (mail["texts"]["text/plain"].as_str().unwrap(), mail["texts"]["text/html"].as_str().unwrap());
        assert!(text.contains("mensagem de teste") && html.contains("<p>Esta é uma mensagem de teste"), "{text} {html}");
        let wrong =
            sent(&world, &format!("wrong {mode}"), (mode, server.port), Some(("regente", "another-password")), &["ana@example.com"]).await;
        assert!(!wrong.sent && wrong.status == Some(535) && wrong.answer.contains("the sign-in"), "{wrong:?}");
        assert!(!wrong.answer.contains("another-password"), "{wrong:?}");
        let refused = sent(&world, &format!("refused {mode}"), (mode, server.port), Some(credentials), &["refused@example.com"]).await;
        assert!(!refused.sent && refused.status == Some(550), "{refused:?}");
    }
    world.end().await;
}

async fn nothing_is_sent_without_the_encryption_that_was_asked_for(delivery: Delivery) {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = trusting(delivery, folder.path()).await;
    let credentials = ("regente", "pass-word-1");
    let mut plain = Server::start("plain", credentials, None).await;
    let stripped = sent(&world, "stripped", ("starttls", plain.port), Some(credentials), &["ana@example.com"]).await;
    assert!(!stripped.sent && stripped.answer.contains("STARTTLS is not supported"), "{stripped:?}");
    // Of somebody else, whom nobody trusts.
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(other.path().join("k.pem"), signing_key.serialize_pem()).unwrap();
    std::fs::write(other.path().join("c.pem"), cert.pem()).unwrap();
    for mode in ["starttls", "tls"] {
        let server = Server::start(mode, credentials, Some(other.path())).await;
        let refused = sent(&world, &format!("untrusted {mode}"), (mode, server.port), Some(credentials), &["ana@example.com"]).await;
        assert!(!refused.sent && refused.answer.contains("certificate"), "{mode}: {refused:?}");
    }
    // Where the settings allow the address, without.
    let open = sent(&world, "open", ("none", plain.port), Some(credentials), &["ana@example.com"]).await;
    assert!(open.sent, "{open:?}");
    assert_eq!((&plain.mail().await["encrypted"], open.status), (&json!(false), Some(250)));
    world.end().await;
}

async fn an_smtp_server_that_hangs_or_refuses_is_a_clear_fault(delivery: Delivery) {
    let folder = tempfile::tempdir().unwrap();
    let world = trusting(delivery, folder.path()).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let no_smtp = Receiver::start(|_| Reply::Endless).await.unwrap();
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let full = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let full_port = full.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = full.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"421 4.3.2 too many connections\r\n").await;
        }
    });
    let endless = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endless_port = endless.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = endless.accept().await {
            tokio::spawn(async move { while tokio::io::AsyncWriteExt::write_all(&mut stream, b"220-").await.is_ok() {} });
        }
    });
    let http_port = no_smtp.url().rsplit(':').next().unwrap().parse().unwrap();
    for (name, port, status, said) in [
        ("hangs", silent.local_addr().unwrap().port(), None, "took longer than 5s"),
        ("no smtp", http_port, None, "the SMTP server"),
        ("closed", closed, None, "the connection"),
        ("full", full_port, Some(421), "too many connections"),
        ("endless", endless_port, None, "the SMTP server"),
    ] {
        let tried = sent(&world, name, ("starttls", port), None, &["ana@example.com"]).await;
        assert!(!tried.sent && tried.status == status && tried.answer.contains(said), "{name}: {tried:?}");
    }
    world.end().await;
}
