use std::{future::Future, ops::Deref, pin::Pin};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    error::PayloadError,
    web::{Bytes, PathConfig, PayloadConfig},
};
use domain::Fault;
use serde::de::DeserializeOwned;

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

/// Like [`JsonBody`]; an empty body is `T::default()`.
pub struct OptionalJsonBody<T>(pub T);

impl<T: DeserializeOwned + Default + 'static> FromRequest for OptionalJsonBody<T> {
    type Error = Failure;
    type Future = Pending<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = body(request, payload);
        Box::pin(async move {
            let bytes = body.await?;
            let blank = bytes.iter().all(u8::is_ascii_whitespace);
            Ok(Self(if blank { T::default() } else { parse(&bytes)? }))
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
        let field = field_path(&error.path().to_string());
        let cause = error.into_inner();
        match cause.classify() {
            serde_json::error::Category::Data => Failure::Invalid(vec![Fault::new(field, plain(&cause))]),
            _ => Failure::BadRequest(format!("the body is not JSON: {cause}")),
        }
    })?;
    input.end().map_err(|error| Failure::BadRequest(format!("the body is not JSON: {error}")))?;
    Ok(value)
}

/// `a.b[2].c` as `a/b/2/c`.
fn field_path(path: &str) -> String {
    if path == "." { String::new() } else { path.replace(['.', '['], "/").replace(']', "") }
}

/// The message without the position, which the path says better.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// The query string; a parameter that does not fit: 400 with its name.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Params<T> {
    type Error = Failure;
    type Future = std::future::Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pairs = serde_urlencoded::Deserializer::new(form_pairs(request.query_string()));
        let params = serde_path_to_error::deserialize(pairs)
            .map_err(|error| Failure::BadQuery(vec![Fault::new(field_path(&error.path().to_string()), error.inner().to_string())]));
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
