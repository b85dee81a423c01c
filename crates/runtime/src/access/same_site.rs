use actix_web::{HttpRequest, http::header};

use crate::Failure;

/// Refuses cross-site requests. Without sign-in, a request that a page of another site makes a browser send could not be told from one of
/// the user of this machine.
pub(super) fn check_same_site(request: &HttpRequest) -> Result<(), Failure> {
    let header = |name: header::HeaderName| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    let refuse = |what: &str| Err(Failure::Forbidden(format!("--insecure-dev serves this machine alone: {what}")));
    if !header(header::HOST).is_some_and(is_this_machine) {
        return refuse("the header Host names another");
    }
    let is_ours = |origin: &str| origin.strip_prefix("http://").or(origin.strip_prefix("https://")).is_some_and(is_this_machine);
    if header(header::ORIGIN).is_some_and(|origin| !is_ours(origin)) {
        return refuse("the header Origin names another site");
    }
    if header(header::HeaderName::from_static("sec-fetch-site")).is_some_and(|site| site == "cross-site") {
        return refuse("the request comes from another site");
    }
    let kind = header(header::CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    if ["text/plain", "multipart/"].iter().any(|simple| kind.starts_with(simple)) {
        return refuse("send JSON, as application/json");
    }
    Ok(())
}

/// Whether `host`, with or without a port, is this machine.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
