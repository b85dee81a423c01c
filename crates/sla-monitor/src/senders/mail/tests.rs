use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;
use crate::senders::testing::{alert, message};

fn settings() -> Email {
    Email {
        host: "smtp.example.com".to_owned(),
        port: None,
        security: domain::notification::channel::SmtpSecurity::Starttls,
        username: None,
        from: "hub@example.com".to_owned(),
        from_name: Some("Regente São Paulo".to_owned()),
        to: vec!["ana@example.com".to_owned(), "bia@example.com".to_owned()],
    }
}

/// Headers of a mail, unfolded.
fn headers(mail: &lettre::Message) -> Vec<(String, String)> {
    let formatted = String::from_utf8(mail.formatted()).unwrap();
    let (head, _) = formatted.split_once("\r\n\r\n").unwrap();
    assert!(head.split("\r\n").all(|line| !line.contains(['\r', '\n']) && line.len() <= 998));
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned())).unwrap();
    unfolded.split("\r\n").map(header).collect()
}

fn values<'h>(headers: &'h [(String, String)], name: &str) -> Vec<&'h str> {
    headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
}

/// A header as it is read. Fails when an encoded word is longer than 75 characters or ends within a character (RFC 2047).
fn decoded(value: &str) -> String {
    let (mut text, mut was_encoded) = (String::new(), true);
    for word in value.split(' ') {
        let encoded = word.strip_prefix("=?utf-8?b?").and_then(|word| word.strip_suffix("?="));
        // The space between two encoded words is none.
        if !(was_encoded && (encoded.is_some() || text.is_empty())) {
            text.push(' ');
        }
        match encoded {
            Some(base64) => {
                assert!(word.len() <= 75, "{word}");
                text.push_str(&String::from_utf8(STANDARD.decode(base64).unwrap()).unwrap());
            }
            None => text.push_str(word),
        }
        was_encoded = encoded.is_some();
    }
    text
}

#[test]
fn no_text_of_a_user_becomes_a_header() {
    let hostile = "Faturamento São Paulo\r\nBcc: x@evil.test";
    let mut given = message(NoticeKind::Opened, vec![alert(hostile)]);
    given.title = hostile.to_owned();
    let settings = Email { from_name: Some(format!("Robô\r\nBcc: x@evil.test{}", "ç".repeat(100))), ..settings() };
    let mail = build(&settings, &given).unwrap();
    let headers = headers(&mail);
    assert_eq!((values(&headers, "Bcc"), values(&headers, "Subject").len()), (vec![], 1));
    assert_eq!(values(&headers, "To"), ["ana@example.com, bia@example.com"]);
    let subject = decoded(values(&headers, "Subject")[0]);
    assert_eq!(subject, "🔴 [Regente] Faturamento São Paulo Bcc: x@evil.test");
    assert!(!decoded(values(&headers, "From")[0]).contains(['\r', '\n']));
    let to: Vec<String> = mail.envelope().to().iter().map(ToString::to_string).collect();
    assert_eq!(to, ["ana@example.com", "bia@example.com"]);
}

#[test]
fn a_subject_of_any_length_has_whole_characters_in_short_words() {
    for text in ["é".repeat(500), "🚨".repeat(500), "a".repeat(500), format!("{}ç", "x".repeat(60)), "\u{2028}\u{0}".to_owned()] {
        let mut given = message(NoticeKind::Opened, vec![]);
        given.title = text;
        let headers = headers(&build(&settings(), &given).unwrap());
        assert!(decoded(values(&headers, "Subject")[0]).chars().count() <= MAX_SUBJECT);
    }
}

#[test]
fn messages_of_one_incident_are_one_thread_and_an_attempt_repeats_its_id() {
    let of = |kind| headers(&build(&settings(), &message(kind, vec![alert("x")])).unwrap());
    let (opened, resolved) = (of(NoticeKind::Opened), of(NoticeKind::Resolved));
    assert_eq!(values(&opened, "References"), values(&resolved, "References"));
    assert_eq!(values(&opened, "References"), values(&opened, "In-Reply-To"));
    assert_eq!(values(&opened, "Message-ID"), [format!("<{}@example.com>", message(NoticeKind::Opened, vec![]).id)]);
    assert_eq!(values(&opened, "Message-ID"), values(&of(NoticeKind::Opened), "Message-ID"));
    assert_eq!(
        (values(&opened, "Date"), values(&opened, "Auto-Submitted")),
        (vec!["Fri, 27 Nov 2026 14:00:00 +0000"], vec!["auto-generated"])
    );
    assert!(values(&headers(&build(&settings(), &message(NoticeKind::Test, vec![])).unwrap()), "References").is_empty());
}

#[test]
fn the_text_has_note_links_and_what_is_not_listed() {
    let one = plain(&message(NoticeKind::Opened, vec![alert("x")]));
    assert_eq!(
        one,
        "Faturamento <São Paulo> & co is late\n\nIt was due at **10:00**.\n\n- last run: yesterday\n- queue: 3\n\nWhat to do:\nLook at **SAP** \
         first\n\nOpen in Regente: https://hub.example.com/alerts/7\nJob 1: https://hub.example.com/jobs/1\n"
    );
    let many = plain(&message(NoticeKind::Digest, (0..MAX_ALERTS + 3).map(|nth| alert(&nth.to_string())).collect()));
    assert_eq!(many.matches("is late\n  https").count(), MAX_ALERTS);
    assert!(many.contains("… 3 more") && many.ends_with("\n\nOpen in Regente: https://hub.example.com/alerts\n"), "{many}");
}
