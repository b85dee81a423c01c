use std::{future::Future, ops::Deref, pin::Pin};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    error::PayloadError,
    web::{Bytes, PathConfig, PayloadConfig},
};
use domain::Fault;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;

use crate::Failure;

/// Bytes that a body may have, known to the extractors.
#[derive(Clone, Copy, Debug)]
struct BodyLimit(usize);

/// App data that bounds bodies.
pub fn payload_config(limit: usize) -> impl FnOnce(&mut actix_web::web::ServiceConfig) {
    move |config| {
        config.app_data(PayloadConfig::new(limit)).app_data(BodyLimit(limit));
    }
}

/// App data that makes an unreadable id in a path a 400 with its reason.
#[must_use]
pub fn path_config() -> PathConfig {
    PathConfig::default().error_handler(|error, _| Failure::BadQuery(vec![Fault::new("id", error.to_string())]).into())
}

type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Failure>>>>;

/// The body as JSON, whatever the content type says.
///
/// Not JSON: 400. A field that does not fit: 422 with its path. Too large: 413.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = Failure;
    type Future = Pending<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = body(request, payload);
        Box::pin(async move { parse(&body.await?).map(Self) })
    }
}

/// Like [`JsonBody`]; an empty body and `null` are `T::default()`.
pub struct OptionalJsonBody<T>(pub T);

impl<T: DeserializeOwned + Default + 'static> FromRequest for OptionalJsonBody<T> {
    type Error = Failure;
    type Future = Pending<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = body(request, payload);
        Box::pin(async move {
            let bytes = body.await?;
            let blank = bytes.iter().all(u8::is_ascii_whitespace);
            Ok(Self(if blank { None } else { parse::<Option<T>>(&bytes)? }.unwrap_or_default()))
        })
    }
}

fn body(request: &HttpRequest, payload: &mut Payload) -> impl Future<Output = Result<Bytes, Failure>> + use<> {
    let limit = request.app_data::<BodyLimit>().map_or(0, |limit| limit.0);
    let bytes = Bytes::from_request(request, payload);
    async move {
        bytes.await.map_err(|error| match error.as_error::<PayloadError>() {
            Some(PayloadError::Overflow) => Failure::TooLarge(limit),
            _ if error.as_response_error().status_code() == actix_web::http::StatusCode::PAYLOAD_TOO_LARGE => Failure::TooLarge(limit),
            _ => Failure::BadRequest(format!("the body cannot be read: {error}")),
        })
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    let mut input = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut input).map_err(|error| {
        let path = error.path().to_string();
        let cause = error.into_inner();
        if cause.classify() == Category::Data {
            return Failure::Invalid(vec![named_fault(&path, plain(&cause))]);
        }
        // A number where a word is wanted is told as a syntax error too.
        match serde_json::from_slice::<IgnoredAny>(bytes) {
            Ok(_) => Failure::Invalid(vec![named_fault(&path, "has the wrong type".to_owned())]),
            Err(error) => Failure::BadRequest(format!("the body is not JSON: {error}")),
        }
    })?;
    input.end().map_err(|error| Failure::BadRequest(format!("the body is not JSON: {error}")))?;
    Ok(value)
}

/// A fault at `path`; one that is about a field inside which is missing or there twice names that field.
fn named_fault(path: &str, message: String) -> Fault {
    let field = field_path(path);
    let inside = ["missing field `", "duplicate field `"].iter().find_map(|start| message.strip_prefix(start)?.split('`').next());
    let field = match inside {
        Some(name) if field.is_empty() => name.to_owned(),
        // The path of a field that is there twice may have its name already.
        Some(name) if field != name && !field.ends_with(&format!("/{name}")) => format!("{field}/{name}"),
        _ => field,
    };
    Fault::new(field, message)
}

/// `a.b[2].c` as `a/b/2/c`.
fn field_path(path: &str) -> String {
    if path == "." { String::new() } else { path.replace(['.', '['], "/").replace(']', "").trim_start_matches('/').to_owned() }
}

/// The message without the position, which the path says better.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// The query string; a parameter that does not fit, or has a NUL character, which the database cannot even be asked for: 400 with its name.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Params<T> {
    type Error = Failure;
    type Future = std::future::Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        if let Some((name, _)) = form_pairs(request.query_string()).find(|(_, value)| value.contains('\0')) {
            return std::future::ready(Err(Failure::BadQuery(vec![Fault::new(name, "must not contain NUL characters")])));
        }
        let pairs = serde_urlencoded::Deserializer::new(form_pairs(request.query_string()));
        let params = serde_path_to_error::deserialize(pairs)
            .map_err(|error| Failure::BadQuery(vec![named_fault(&error.path().to_string(), error.inner().to_string())]));
        std::future::ready(params.map(Self))
    }
}

fn form_pairs(query: &str) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(query.as_bytes())
}

impl<T> Deref for JsonBody<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
