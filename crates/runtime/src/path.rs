//! Paths are judged once, in their decoded form, before anything is decided by them: what a proxy lets through under one spelling must not be
//! another resource for the service behind it.

use std::borrow::Cow;

use domain::Fault;
use percent_encoding::percent_decode_str;

use crate::Failure;

/// Refuses a path that can be read in two ways.
pub(crate) fn check(path: &str) -> Result<(), Failure> {
    ambiguity(path).map_or(Ok(()), |reason| Err(Failure::BadQuery(vec![Fault::new("path", reason)])))
}

/// Why `path`, as it was sent, can be read in two ways.
fn ambiguity(path: &str) -> Option<&'static str> {
    if path.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'~')) {
        return None;
    }
    let escapes = path.split('%').skip(1);
    if escapes.clone().any(|rest| rest.len() < 2 || !rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit())) {
        return Some("has a % that begins no escape");
    }
    let Ok(decoded): Result<Cow<'_, str>, _> = percent_decode_str(path).decode_utf8() else { return Some("is not UTF-8") };
    if path.contains('\\') {
        return Some("has a backslash");
    }
    if decoded.chars().any(char::is_control) {
        return Some("has control characters");
    }
    if decoded.split(['/', '\\']).any(|segment| matches!(segment, "." | "..")) {
        return Some("has a segment of dots");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_reading() {
        for path in [
            "/api/v1/public%2F..%2Fadmin",
            "/api/v1/a%5C..%5Cadmin",
            "/api/v1/a\\admin",
            "/api/v1/x%00",
            "/api/v1/x%0a",
            "/api/v1/x/../admin",
            "/api/v1/x/%2e%2E/admin",
            "/api/v1/./x",
            "/api/v1/x/..",
            "/api/v1/%",
            "/api/v1/%zz",
            "/api/v1/%+1",
            "/api/v1/%C3",
        ] {
            assert!(ambiguity(path).is_some(), "{path}");
        }
        for path in
            ["/", "/api/v1/%61dmin", "/api/v1/queues/a%2Fb%5Cc%20%C3%A7/pause", "/api/v1/openapi.json", "/api/v1//admin", "/a..b/...", "*"]
        {
            assert_eq!(ambiguity(path), None, "{path}");
        }
    }
}
