//! Which headers pass. Those of one connection are stripped first, whatever the client lists in `Connection`; the gateway's own are set
//! afterwards, so that no list can remove them.

use actix_web::http::header::{self as actix, HeaderMap as ActixHeaders};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Headers that concern one connection (RFC 9110, 7.6.1).
const OF_ONE_CONNECTION: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-authentication-info",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Headers that only the gateway writes, and `Expect`, which it answers itself.
const OWN: [&str; 6] = ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id", "expect"];

/// What the gateway says about a request.
pub(super) struct Own {
    pub(super) caller: Option<String>,
    pub(super) proto: &'static str,
    pub(super) host: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) traceparent: Option<String>,
    /// The protocol that the client asks to change to.
    pub(super) upgrade: bool,
}

/// The headers of a request as the upstream gets them.
pub(super) fn of_request(client: &ActixHeaders, own: &Own) -> HeaderMap {
    let listed = listed(client.get_all(actix::CONNECTION).map(actix::HeaderValue::as_bytes));
    let mut headers = HeaderMap::with_capacity(client.len() + 6);
    for (name, value) in client {
        let text = name.as_str();
        if OF_ONE_CONNECTION.contains(&text) || OWN.contains(&text) || (text != "host" && is_listed(&listed, text)) {
            continue;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(text.as_bytes()), HeaderValue::from_bytes(value.as_bytes())) {
            headers.append(name, value);
        }
    }
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("x-forwarded-proto", own.proto);
    for (name, value) in [
        ("x-forwarded-for", &own.caller),
        ("x-forwarded-host", &own.host),
        ("x-request-id", &own.request_id),
        ("traceparent", &own.traceparent),
    ] {
        if let Some(value) = value {
            set(name, value);
        }
    }
    if own.upgrade {
        set("connection", "upgrade");
        set("upgrade", "websocket");
    }
    headers
}

/// The headers of an answer that the client gets.
pub(super) fn of_answer(upstream: &HeaderMap) -> impl Iterator<Item = (actix::HeaderName, actix::HeaderValue)> {
    let listed = listed(upstream.get_all(reqwest::header::CONNECTION).iter().map(HeaderValue::as_bytes));
    upstream.iter().filter_map(move |(name, value)| {
        let text = name.as_str();
        if OF_ONE_CONNECTION.contains(&text) || is_listed(&listed, text) {
            return None;
        }
        Some((actix::HeaderName::from_bytes(text.as_bytes()).ok()?, actix::HeaderValue::from_bytes(value.as_bytes()).ok()?))
    })
}

/// The names in `Connection`, in lower case.
fn listed<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let names = |line: &[u8]| String::from_utf8_lossy(line).split(',').map(|name| name.trim().to_ascii_lowercase()).collect::<Vec<_>>();
    lines.flat_map(names).filter(|name| !matches!(name.as_str(), "" | "close" | "keep-alive")).collect()
}

fn is_listed(listed: &[String], name: &str) -> bool {
    listed.iter().any(|one| one == name)
}

/// Whether the client asks for a WebSocket.
pub(super) fn asks_for_websocket(client: &ActixHeaders) -> bool {
    let is_websocket = |value: &actix::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    client.get(actix::UPGRADE).is_some_and(is_websocket)
        && is_listed(&listed(client.get_all(actix::CONNECTION).map(actix::HeaderValue::as_bytes)), "upgrade")
}

/// A W3C trace context: the client's when it is one, with this hop as the parent, else a new one of `trace`.
pub(super) fn traceparent(client: Option<&str>, span: uuid::Uuid, trace: &str) -> String {
    let span = &span.simple().to_string()[16..];
    let parts = client.map(|text| text.split('-').collect::<Vec<_>>());
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) && text.bytes().any(|byte| byte != b'0')
    };
    match parts.as_deref() {
        Some(["00", trace, parent, flags]) if is_hex(trace, 32) && is_hex(parent, 16) && matches!(*flags, "00" | "01") => {
            format!("00-{trace}-{span}-{flags}")
        }
        _ => format!("00-{trace}-{span}-00"),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn client(lines: &[(&str, &str)]) -> ActixHeaders {
        let mut headers = ActixHeaders::new();
        for (name, value) in lines {
            headers.append(name.parse().unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn own() -> Own {
        Own {
            caller: Some("198.51.100.7".to_owned()),
            proto: "https",
            host: Some("hub.example".to_owned()),
            request_id: Some("r1".to_owned()),
            traceparent: Some("00-t-s-00".to_owned()),
            upgrade: false,
        }
    }

    #[test]
    fn a_client_cannot_remove_what_the_gateway_says() {
        let sent = client(&[
            ("connection", "close, X-Forwarded-Proto, X-Request-Id"),
            ("Connection", "X-Auth-Subject,x-forwarded-for, host"),
            ("x-auth-subject", "admin"),
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-proto", "gopher"),
            ("forwarded", "for=6.6.6.6"),
            ("x-request-id", "theirs"),
            ("te", "trailers"),
            ("keep-alive", "5"),
            ("proxy-authorization", "Basic x"),
            ("expect", "100-continue"),
            ("host", "hub.example"),
            ("authorization", "Bearer t"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
        ]);
        let got = of_request(&sent, &own());
        for (name, value) in
            [("x-forwarded-for", "198.51.100.7"), ("x-forwarded-proto", "https"), ("x-request-id", "r1"), ("authorization", "Bearer t")]
        {
            assert_eq!(got.get_all(name).iter().collect::<Vec<_>>(), [value]);
        }
        for name in ["connection", "te", "keep-alive", "proxy-authorization", "x-auth-subject", "forwarded", "expect"] {
            assert!(!got.contains_key(name), "{name}");
        }
        assert_eq!((got["host"].to_str().unwrap(), got.get_all("cookie").iter().count()), ("hub.example", 2));
    }

    #[test]
    fn an_answer_keeps_its_own_headers() {
        let mut upstream = HeaderMap::new();
        for (name, value) in
            [("connection", "x-hop"), ("x-hop", "1"), ("transfer-encoding", "chunked"), ("set-cookie", "a"), ("set-cookie", "b")]
        {
            upstream.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let got: Vec<String> = of_answer(&upstream).map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
        assert_eq!(got, ["set-cookie=a", "set-cookie=b"]);
    }

    #[test]
    fn a_websocket_is_asked_for_in_two_headers() {
        assert!(asks_for_websocket(&client(&[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")])));
        assert!(!asks_for_websocket(&client(&[("upgrade", "websocket")])));
        assert!(!asks_for_websocket(&client(&[("connection", "upgrade"), ("upgrade", "h2c")])));
    }

    #[test]
    fn a_trace_goes_on_and_a_bad_one_is_replaced() {
        let (span, trace) = (Uuid::from_u128(0xabc), "00000000000000000000000000000def");
        let theirs = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(traceparent(Some(theirs), span, trace), "00-0af7651916cd43dd8448eb211c80319c-0000000000000abc-01");
        for bad in [None, Some("x"), Some("00-00000000000000000000000000000000-b7ad6b7169203331-01"), Some("00-a-b-01")] {
            assert_eq!(traceparent(bad, span, trace), "00-00000000000000000000000000000def-0000000000000abc-00");
        }
    }
}
