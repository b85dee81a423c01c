//! What a request is called.

use actix_web::HttpRequest;
use domain::job::is_traceparent;
use telemetry::RequestIds;
use uuid::Uuid;

use super::REQUEST_ID_HEADER;

/// Characters of an id that is taken from a request.
const MOST: usize = 128;

/// The client's ids where they are valid, else new ones.
pub(super) fn of(request: &HttpRequest) -> RequestIds {
    let new = Uuid::now_v7();
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let request_id = request.headers().get(REQUEST_ID_HEADER).and_then(|value| value.to_str().ok()).filter(|id| is_request_id(id));
    let trace_id = header("traceparent").filter(|parent| is_traceparent(parent)).and_then(|parent| parent.get(3..35));
    RequestIds {
        request_id: request_id.map_or_else(|| new.to_string(), str::to_owned),
        trace_id: trace_id.map_or_else(|| new.simple().to_string(), str::to_owned),
    }
}

/// Short, and nothing that a log or a header would read differently.
fn is_request_id(text: &str) -> bool {
    (1..=MOST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn ids(headers: &[(&str, &str)]) -> RequestIds {
        let request = headers.iter().fold(TestRequest::default(), |request, header| request.insert_header(*header));
        of(&request.to_http_request())
    }

    #[test]
    fn valid_ids_of_the_client_are_kept() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let kept = ids(&[("x-request-id", "a-1_2.x"), ("traceparent", &format!("00-{trace}-b7ad6b7169203331-01"))]);
        assert_eq!((kept.request_id.as_str(), kept.trace_id.as_str()), ("a-1_2.x", trace));
    }

    #[test]
    fn others_are_replaced() {
        for bad in ["", "a b", "a\"b", &"a".repeat(MOST + 1), "é"] {
            let made = ids(&[("x-request-id", bad), ("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01")]);
            assert_eq!(made.request_id.parse::<Uuid>().unwrap().simple().to_string(), made.trace_id, "{bad:?}");
        }
        assert_ne!(ids(&[]), ids(&[]));
    }
}
