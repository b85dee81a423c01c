use std::{borrow::Cow, convert::Infallible, future::Future, ops::Deref, pin::Pin};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::CONTENT_TYPE,
    web::{Bytes, PathConfig},
};
use domain::Fault;
use serde::de::DeserializeOwned;

use crate::{
    Failure,
    body::{self, Sender},
    json::{measure, named_fault, parse},
};

/// App data that answers an invalid id in a path with 400 and the reason.
#[must_use]
pub fn path_config() -> PathConfig {
    PathConfig::default().error_handler(|error, _| Failure::BadQuery(vec![Fault::new("id", error.to_string())]).into())
}

type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Failure>>>>;

/// The body as JSON, whatever the content type says.
///
/// Not JSON: 400. An invalid field, too deep or too many values: 422 with its path. Too large: 413. Too slow: 408.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = Failure;
    type Future = Pending<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = json(request, payload, Sender::Known);
        Box::pin(async move { parse(&body.await?).map(Self) })
    }
}

/// Like [`JsonBody`], on a route without sign-in: at most 16 KiB.
pub struct OpenJsonBody<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for OpenJsonBody<T> {
    type Error = Failure;
    type Future = Pending<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = json(request, payload, Sender::Anybody);
        Box::pin(async move { parse(&body.await?).map(Self) })
    }
}

/// Like [`OpenJsonBody`]; an empty body and `null` are `T::default()`.
pub struct OpenOptionalJsonBody<T>(pub T);

impl<T: DeserializeOwned + Default + 'static> FromRequest for OpenOptionalJsonBody<T> {
    type Error = Failure;
    type Future = Pending<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = json(request, payload, Sender::Anybody);
        Box::pin(async move { optional(&body.await?).map(Self) })
    }
}

/// The body as a file, whatever the content type says; of a form (`multipart/form-data`) the field `file`. Its size is bounded as that of JSON.
///
/// A form that cannot be read: 400. One without the file: 422.
pub struct FileBody(pub Bytes);

impl FromRequest for FileBody {
    type Error = Failure;
    type Future = Pending<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let (bytes, memory) = body::read(&request, payload, Sender::Known).await?;
            memory.keep(&request);
            let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            match multer::parse_boundary(kind) {
                Ok(boundary) => form_file(bytes, boundary).await.map(Self),
                Err(multer::Error::NoBoundary) => Err(Failure::BadRequest("the form has no boundary in its Content-Type".to_owned())),
                Err(_) => Ok(Self(bytes)),
            }
        })
    }
}

/// The field `file` of a form that was read.
async fn form_file(bytes: Bytes, boundary: String) -> Result<Bytes, Failure> {
    let bad = |error: multer::Error| Failure::BadRequest(format!("the form cannot be read: {error}"));
    let body = futures_util::stream::once(std::future::ready(Ok::<_, Infallible>(bytes)));
    let mut form = multer::Multipart::new(body, boundary);
    while let Some(field) = form.next_field().await.map_err(bad)? {
        if field.name() == Some("file") {
            return field.bytes().await.map_err(bad);
        }
    }
    Err(Failure::field("file", "is missing in the form"))
}

/// The fields of a form, on a route that needs no sign-in: at most 16 KiB. A field that does not fit: 422 with its name.
pub struct OpenFormBody<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for OpenFormBody<T> {
    type Error = Failure;
    type Future = Pending<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let (bytes, memory) = body::read(&request, payload, Sender::Anybody).await?;
            memory.keep(&request);
            let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(&bytes));
            let form = serde_path_to_error::deserialize(pairs);
            form.map(Self).map_err(|error| Failure::Invalid(vec![named_fault(&error.path().to_string(), error.inner().to_string())]))
        })
    }
}

/// Like [`JsonBody`]; an empty body and `null` are `T::default()`.
pub struct OptionalJsonBody<T>(pub T);

impl<T: DeserializeOwned + Default + 'static> FromRequest for OptionalJsonBody<T> {
    type Error = Failure;
    type Future = Pending<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = json(request, payload, Sender::Known);
        Box::pin(async move { optional(&body.await?).map(Self) })
    }
}

fn optional<T: DeserializeOwned + Default>(bytes: &[u8]) -> Result<T, Failure> {
    // JSON's white space: a form feed, which ASCII counts too, is an error of syntax.
    let blank = bytes.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    Ok(if blank { None } else { parse::<Option<T>>(bytes)? }.unwrap_or_default())
}

/// The bytes of a body, within the limits for JSON.
fn json(request: &HttpRequest, payload: &mut Payload, sender: Sender) -> impl Future<Output = Result<Bytes, Failure>> + use<> {
    let (request, payload) = (request.clone(), payload.take());
    async move {
        let (bytes, mut memory) = body::read(&request, payload, sender).await?;
        memory.take_values(measure(&bytes)?)?;
        memory.keep(&request);
        Ok(bytes)
    }
}

/// The query string. An invalid parameter, or one with a NUL character, which the database cannot compare: 400 with its name.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Params<T> {
    type Error = Failure;
    type Future = std::future::Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        if let Some((name, _)) = form_pairs(request.query_string()).find(|(_, value)| value.contains('\0')) {
            return std::future::ready(Err(Failure::BadQuery(vec![Fault::new(name, "must not contain NUL characters")])));
        }
        let query = joined_lists(request.query_string());
        let pairs = serde_urlencoded::Deserializer::new(form_pairs(&query));
        let params = serde_path_to_error::deserialize(pairs)
            .map_err(|error| Failure::BadQuery(vec![named_fault(&error.path().to_string(), error.inner().to_string())]));
        std::future::ready(params.map(Self))
    }
}

/// Parameters that are lists: separated by commas, or as a repeated parameter.
const LISTS: [&str; 8] = ["status", "type", "severity", "include", "kinds", "jobs", "automations", "domains"];

/// The query with repeated list parameters joined by commas.
fn joined_lists(query: &str) -> Cow<'_, str> {
    let values = |list: &str| form_pairs(query).filter(|(name, _)| name == list).map(|(_, value)| value).collect::<Vec<_>>();
    if LISTS.into_iter().all(|list| values(list).len() < 2) {
        return query.into();
    }
    let mut joined = form_urlencoded::Serializer::new(String::new());
    joined.extend_pairs(form_pairs(query).filter(|(name, _)| !LISTS.contains(&&**name)));
    joined.extend_pairs(LISTS.into_iter().map(|list| (list, values(list).join(","))).filter(|(_, items)| !items.is_empty()));
    joined.finish().into()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_optional_body_is_absent_only_when_it_is_blank_in_json() {
        for absent in ["", " \t\r\n", "null"] {
            assert_eq!(optional::<u8>(absent.as_bytes()).ok(), Some(0), "{absent:?}");
        }
        assert_eq!(optional::<u8>(b" 7 ").ok(), Some(7));
        for garbage in ["\x0c", " \x0b", "\u{feff}"] {
            assert!(optional::<u8>(garbage.as_bytes()).is_err(), "{garbage:?}");
        }
    }

    #[test]
    fn only_a_list_parameter_may_be_repeated() {
        assert_eq!(joined_lists("status=failed&limit=5"), "status=failed&limit=5");
        assert_eq!(joined_lists("status=failed&limit=5&limit=6&status=a%26b"), "limit=5&limit=6&status=failed%2Ca%26b");
    }
}
