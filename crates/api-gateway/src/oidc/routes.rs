use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::{COOKIE, LOCATION, SET_COOKIE},
    post,
    web::Data,
};
use api_types::{LoginResponse, OidcCallback, OidcStart, OidcTokenRequest, Problem, SignInWays};
use auth::BrowserSecret;
use cookie::{Cookie, SameSite, time::Duration};
use runtime::{Access, Edge, Failure, OpenJsonBody, Params, Source};

use super::{Oidc, PATIENCE};
use crate::{
    service::Gateway,
    sessions::Beginning,
    sign_in::{device, origin},
};

/// Tells how people can sign in.
#[utoipa::path(tag = "identity", responses((status = 200, body = SignInWays)))]
#[get("/api/v1/auth/providers")]
pub(crate) async fn providers(gateway: Data<Gateway>, access: Data<Access>) -> HttpResponse {
    let oidc = gateway.oidc.as_ref().map(Oidc::way);
    HttpResponse::Ok().json(SignInWays { password: true, anonymous: access.open, oidc })
}

/// Begins a sign-in with the identity provider: a browser opens it and is sent there.
///
/// It comes back with a cookie that is set here, and goes on to `return_to`, to which a `code` is added. The program that keeps the verifier of
/// `code_challenge` collects the tokens with it, or learns why nobody was signed in.
#[utoipa::path(tag = "identity", params(OidcStart), responses(
    (status = 302, description = "The way to the identity provider is in `Location`"),
    (status = 404, description = "No identity provider is set up", body = Problem),
    (status = 429, description = "Too many sign in; see Retry-After", body = Problem),
    (status = 503, description = "The identity provider, or the database, does not answer; see Retry-After", body = Problem)))]
#[get("/api/v1/auth/oidc/start")]
pub(crate) async fn oidc_start(request: HttpRequest, gateway: Data<Gateway>, query: Params<OidcStart>) -> Result<HttpResponse, Failure> {
    Edge::of(&request)?.admit_sign_in(&request, origin(&request))?;
    let oidc = oidc(&gateway)?;
    let begun = oidc.begin(query.0).await?;
    let seconds = Duration::seconds(PATIENCE.num_seconds());
    let cookie = cookie(oidc, begun.cookie, begun.secret.expose(), seconds);
    Ok(HttpResponse::Found().insert_header((LOCATION, begun.location)).insert_header((SET_COOKIE, cookie)).finish())
}

/// Takes a browser that comes back from the identity provider, and sends it on to where its sign-in was begun.
///
/// Each `state` is good once, within 10 minutes, for the browser that began.
#[utoipa::path(tag = "identity", params(OidcCallback), responses(
    (status = 302, description = "The way on is in `Location`, with a `code` for `POST /api/v1/auth/oidc/token`"),
    (status = 400, description = "The sign-in is not known, or was begun in another browser", body = Problem),
    (status = 404, description = "No identity provider is set up", body = Problem)))]
#[get("/api/v1/auth/oidc/callback")]
pub(crate) async fn oidc_callback(
    source: Source,
    request: HttpRequest,
    gateway: Data<Gateway>,
    query: Params<OidcCallback>,
) -> Result<HttpResponse, Failure> {
    let oidc = oidc(&gateway)?;
    let name = oidc.cookie_of(&query.0.state);
    let secret = shown(&request, &name).and_then(|value| BrowserSecret::read(&value));
    let returned = oidc.finish(query.0, secret, &source).await?;
    if let Some((refusal, user)) = &returned.refusal {
        let now = (gateway.sessions.clock)();
        tracing::info!(oidc.refusal = refusal.as_str(), "sign-in refused");
        gateway.failures.record(&gateway.database, (source, origin(&request)), user.as_ref(), now).await?;
    }
    let used = cookie(oidc, name, "", Duration::ZERO);
    Ok(HttpResponse::Found().insert_header((LOCATION, returned.location)).insert_header((SET_COOKIE, used)).finish())
}

/// Collects the outcome of a sign-in with the identity provider: the tokens, or why nobody was signed in.
///
/// `code` is good once, for 60 s, together with the verifier of the sign-in's `code_challenge`. A refusal is 403 with one of the codes
/// `sign_in_declined`, `provider_refused`, `id_token_invalid`, `groups_overage`, `groups_missing`, `groups_unreadable`, `no_user` and `deactivated`.
#[utoipa::path(tag = "identity", request_body = OidcTokenRequest, responses(
    (status = 200, body = LoginResponse),
    (status = 401, description = "The code or the verifier is not valid, or the code was used or has expired", body = Problem),
    (status = 403, description = "Nobody was signed in: `code` says why", body = Problem),
    (status = 404, description = "No identity provider is set up", body = Problem),
    (status = 503, description = "The identity provider, or the database, did not answer; see Retry-After", body = Problem)))]
#[post("/api/v1/auth/oidc/token")]
pub(crate) async fn oidc_token(
    source: Source,
    request: HttpRequest,
    gateway: Data<Gateway>,
    body: OpenJsonBody<OidcTokenRequest>,
) -> Result<HttpResponse, Failure> {
    let beginning = Beginning { address: Some(origin(&request).to_string()), device: device(&request), provider: None };
    Ok(HttpResponse::Ok().json(oidc(&gateway)?.collect(body.0, beginning, source).await?))
}

fn oidc(gateway: &Gateway) -> Result<&Oidc, Failure> {
    gateway.oidc.as_ref().ok_or_else(|| Failure::NotFound("an identity provider".to_owned()))
}

/// A cookie that scripts do not see and that other sites' forms and frames do not make a browser send.
fn cookie(oidc: &Oidc, name: String, value: &str, age: Duration) -> String {
    let cookie = Cookie::build((name, value)).path("/").http_only(true).same_site(SameSite::Lax).secure(oidc.is_secure()).max_age(age);
    cookie.to_string()
}

fn shown(request: &HttpRequest, name: &str) -> Option<String> {
    let lines = request.headers().get_all(COOKIE).filter_map(|line| line.to_str().ok());
    let found = lines.flat_map(Cookie::split_parse).filter_map(Result::ok).find(|cookie| cookie.name() == name);
    found.map(|cookie| cookie.value().to_owned())
}
