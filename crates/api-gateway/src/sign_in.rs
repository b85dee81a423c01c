//! Signing in with a password.

use std::borrow::Cow;

use actix_web::{HttpRequest, HttpResponse, http::header, post, web::Data};
use api_types::{LoginRequest, LoginResponse, Problem, TokenForm};
use runtime::{Edge, Failure, OpenFormBody, OpenJsonBody, Origin, Source, caller_address};
use store::{
    identity::{User, user_find, user_find_by_email},
    sessions::session_address_is_known,
};

use crate::{
    guesses::{Account, Known, Wait},
    service::Gateway,
    sessions::{Beginning, by_session},
};

/// Hash checked for an unknown name, and for a user without a password, so that the answer takes as long as for a known one. It has no known password.
const NOBODY: &str = "$argon2id$v=19$m=7168,t=5,p=1$c29tZXNhbHRzb21lc2FsdA$V1H7ZRbRr5ONXpDrUGSxdqEqyP5GBuVNzSHkYW/Zzb8";
/// Bytes of a user name that are looked up and logged.
const MOST_NAME: usize = 200;
/// Characters of a program's name that are kept with its session.
const MOST_DEVICE: usize = 200;
/// The address of a request without one, as tests make them.
const NOWHERE: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

/// Signs a person in, by user name or e-mail address.
///
/// The answer has an access token for the header `Authorization`, and a refresh token that `/auth/refresh` takes when the access token ends. The
/// body has at most 16 KiB. After several wrong passwords further attempts have to wait: 429 with `Retry-After`.
#[utoipa::path(tag = "identity", request_body = LoginRequest, responses(
    (status = 200, body = LoginResponse), (status = 401, description = "Wrong name or password", body = Problem),
    (status = 429, description = "Too many sign in at once, or guess; see Retry-After", body = Problem)))]
#[post("/api/v1/auth/login")]
pub(crate) async fn login(
    source: Source,
    request: HttpRequest,
    gateway: Data<Gateway>,
    body: OpenJsonBody<LoginRequest>,
) -> Result<HttpResponse, Failure> {
    let LoginRequest { username, email, password, refresh_token } = body.0;
    let name = match (username, email) {
        (Some(name), None) => Name::User(name),
        (None, Some(email)) => Name::Email(email),
        (None, None) => return Err(Failure::field("username", "is missing: give a user name, or an email")),
        (Some(_), Some(_)) => return Err(Failure::field("email", "must not be there beside username")),
    };
    let attempt = Attempt { name, password, refresh_token };
    Ok(HttpResponse::Ok().json(sign_in(&gateway, attempt, &request, source).await?))
}

/// Signs a person in, or refreshes, by a form as OAuth 2 clients send it.
///
/// `grant_type` is `password` (the default), with `username` (or an e-mail address) and `password`, or `refresh_token`. Other fields are ignored.
#[utoipa::path(tag = "identity", request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, body = LoginResponse), (status = 401, description = "Wrong name, password or refresh token", body = Problem),
    (status = 429, description = "Too many sign in at once, or guess; see Retry-After", body = Problem)))]
#[post("/auth/token")]
pub(crate) async fn token_request(
    source: Source,
    request: HttpRequest,
    gateway: Data<Gateway>,
    body: OpenFormBody<TokenForm>,
) -> Result<HttpResponse, Failure> {
    let TokenForm { grant_type, username, password, refresh_token } = body.0;
    let needed = |field: &str, value: Option<String>| value.ok_or_else(|| Failure::field(field, "is missing"));
    let given = match grant_type.as_deref() {
        None | Some("" | "password") => {
            let (name, password) = (Name::Either(needed("username", username)?), needed("password", password)?);
            sign_in(&gateway, Attempt { name, password, refresh_token }, &request, source).await?
        }
        Some("refresh_token") => {
            let token = needed("refresh_token", refresh_token)?;
            Edge::of(&request)?.admit_anonymous(&request, origin(&request))?;
            gateway.sessions.refresh(&token, source).await?
        }
        Some(_) => return Err(Failure::field("grant_type", "must be password or refresh_token")),
    };
    Ok(HttpResponse::Ok().json(given))
}

/// How a person calls themselves.
enum Name {
    User(String),
    Email(String),
    Either(String),
}

struct Attempt {
    name: Name,
    password: String,
    /// Proves that the device signed in before.
    refresh_token: Option<String>,
}

async fn sign_in(gateway: &Gateway, attempt: Attempt, request: &HttpRequest, source: Source) -> Result<LoginResponse, Failure> {
    let origin = origin(request);
    let user = find(gateway, &attempt.name).await?;
    let account = match &user {
        Some(user) => Account::User(user.id),
        None => Account::Nobody(shown(&attempt.name).to_lowercase()),
    };
    let now = (gateway.sessions.clock)();
    let counted = Edge::of(request)?.admit_sign_in(request, origin);
    let known = match counted.and_then(|()| gateway.guesses.attempt(&account, origin, now).map_err(slowed)) {
        Ok(()) => None,
        // Others do not cost a user their turn where they signed in before.
        Err(refused) => {
            let known = known_from(gateway, user.as_ref(), origin, attempt.refresh_token.as_deref()).await?.ok_or(refused)?;
            gateway.guesses.attempt_known(&account, known, now).map_err(slowed)?;
            Some(known)
        }
    };
    let hash = user.as_ref().filter(|user| user.has_password()).map_or_else(|| NOBODY.to_owned(), |user| user.password_hash.clone());
    let matches = gateway.matches(attempt.password, hash).await?;
    let Some(user) = user.as_ref().filter(|user| matches && user.is_active && user.has_password()) else {
        tracing::info!(user.name = %shown(&attempt.name), client.address = %origin, "sign-in refused");
        gateway.failures.record(&gateway.database, (source, origin), user.as_ref(), (gateway.sessions.clock)()).await?;
        return Err(Failure::Unauthorized("wrong user name or password"));
    };
    match known {
        Some(known) => gateway.guesses.succeeded_known(&account, known),
        None => gateway.guesses.succeeded(&account, origin),
    }
    let beginning = Beginning { address: Some(origin.to_string()), device: device(request), provider: None };
    gateway.sessions.begin(user, beginning, |session| by_session(source, user, session)).await
}

/// The address or device of an attempt, if the user signed in from there before.
async fn known_from(gateway: &Gateway, user: Option<&User>, origin: Origin, refresh_token: Option<&str>) -> Result<Option<Known>, Failure> {
    let Some(user) = user else { return Ok(None) };
    let session = match refresh_token {
        Some(token) => gateway.sessions.of_refresh_token(token).await?.filter(|session| session.user_id == user.id),
        None => None,
    };
    if let Some(session) = session {
        return Ok(Some(Known::Device(session.id)));
    }
    let is_known = session_address_is_known(&gateway.database, user.id, &origin.to_string()).await?;
    Ok(is_known.then_some(Known::Address(origin)))
}

pub(crate) fn slowed(Wait(wait): Wait) -> Failure {
    let retry_after_s = u64::try_from(wait.num_seconds()).unwrap_or_default() + 1;
    Failure::TooMany { detail: "too many wrong passwords; try again later", retry_after_s }
}

async fn find(gateway: &Gateway, name: &Name) -> Result<Option<User>, Failure> {
    let (Name::User(text) | Name::Email(text) | Name::Either(text)) = name;
    // No name has a NUL character, and PostgreSQL does not take one.
    if text.len() > MOST_NAME || text.contains('\0') {
        return Ok(None);
    }
    let database = &gateway.database;
    Ok(match name {
        Name::User(name) => user_find(database, name).await?,
        Name::Email(email) => user_find_by_email(database, email).await?,
        Name::Either(name) => match user_find(database, name).await? {
            Some(user) => Some(user),
            None => user_find_by_email(database, name).await?,
        },
    })
}

fn shown(name: &Name) -> &str {
    let (Name::User(text) | Name::Email(text) | Name::Either(text)) = name;
    &text[..text.floor_char_boundary(MOST_NAME)]
}

/// Where a request comes from.
pub(crate) fn origin(request: &HttpRequest) -> Origin {
    Origin::of(caller_address(request).unwrap_or(NOWHERE))
}

/// The program that sent a request, as it calls itself.
pub(crate) fn device(request: &HttpRequest) -> Option<String> {
    let name: Cow<'_, str> = String::from_utf8_lossy(request.headers().get(header::USER_AGENT)?.as_bytes());
    Some(name.chars().filter(|character| !character.is_control()).take(MOST_DEVICE).collect())
}
