use actix_web::{
    HttpRequest, HttpResponse, delete, get, post,
    web::{Data, Path},
};
use api_types::{LoginResponse, LogoutRequest, Problem, RefreshRequest, Session, SessionFilter};
use domain::ids::{SessionId, UserId};
use runtime::{Failure, OpenJsonBody, OpenOptionalJsonBody, OwnAccount, Params, SignedIn, Source, page, page_size};
use store::{
    identity::user_get,
    sessions::{Ending, session_find, session_list_live},
};

use crate::service::Gateway;

/// Returns the next access token of a session, and the next refresh token.
///
/// Each refresh token is good once; what several requests send at once, or within 10 s, gets the same answer. Using an older one ends the session: 401.
#[utoipa::path(tag = "identity", request_body = RefreshRequest, responses(
    (status = 200, body = LoginResponse),
    (status = 401, description = "The refresh token is not valid, has ended or was used before", body = Problem)))]
#[post("/api/v1/auth/refresh")]
pub(crate) async fn refresh(source: Source, gateway: Data<Gateway>, body: OpenJsonBody<RefreshRequest>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(gateway.sessions.refresh(&body.0.refresh_token, source).await?))
}

/// Ends the session of the access token, or of the refresh token in the body.
///
/// Its access tokens are refused within a second by every replica. A session that has ended is 204 too.
#[utoipa::path(tag = "account", request_body = Option<LogoutRequest>, responses(
    (status = 204, description = "The session has ended"),
    (status = 401, description = "Neither token is valid", body = Problem),
    (status = 403, description = "The caller is no person who signed in", body = Problem)))]
#[post("/api/v1/auth/logout")]
pub(crate) async fn logout(
    source: Source,
    gateway: Data<Gateway>,
    caller: Result<OwnAccount, Failure>,
    body: OpenOptionalJsonBody<LogoutRequest>,
) -> Result<HttpResponse, Failure> {
    let (session, change) = match body.0.refresh_token {
        Some(token) => {
            let session = gateway.sessions.of_refresh_token(&token).await?.ok_or(super::NOT_VALID)?;
            let user = user_get(&gateway.database, session.user_id).await?.ok_or(super::OVER)?;
            let change = super::by_session(source, &user, session.id);
            (session, change)
        }
        None => {
            let OwnAccount { person, change, .. } = caller?;
            (session_find(&gateway.database, person.session).await?.ok_or(super::OVER)?, change)
        }
    };
    let _was_live = gateway.sessions.end(&change, &session, Ending::Logout).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lists where one is signed in: sessions that go on, the last one first, 100 a page.
#[utoipa::path(tag = "account", params(SessionFilter), responses((status = 200, body = Vec<Session>)))]
#[get("/api/v1/auth/sessions")]
pub(crate) async fn sessions_list(
    SignedIn(person): SignedIn,
    request: HttpRequest,
    gateway: Data<Gateway>,
    query: Params<SessionFilter>,
) -> Result<HttpResponse, Failure> {
    live_sessions(&gateway, (person.user, Some(person.session)), &request, &query.0).await
}

/// A page of the sessions of a user that go on.
pub(crate) async fn live_sessions(
    gateway: &Gateway,
    (user, current): (UserId, Option<SessionId>),
    request: &HttpRequest,
    filter: &SessionFilter,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(filter.limit, 100, 1000)?;
    let found = session_list_live(&gateway.database, user, (gateway.sessions.clock)(), (filter.after, limit.into())).await?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.id.to_string());
    let shown = |session: store::sessions::Session| Session {
        id: session.id.get(),
        created_at: session.created_at,
        last_used_at: session.last_used_at,
        expires_at: session.expires_at,
        address: session.address,
        device: session.device,
        provider: session.provider,
        is_current: Some(session.id) == current,
    };
    let found: Vec<Session> = found.into_iter().map(shown).collect();
    Ok(page(request.path(), request.query_string(), next).json(found))
}

/// Ends one of one's own sessions, as on a device that was lost.
#[utoipa::path(tag = "account", params(("id" = uuid::Uuid, Path, description = "The session's")), responses(
    (status = 204, description = "The session has ended"),
    (status = 404, description = "None of one's sessions that go on has this id", body = Problem)))]
#[delete("/api/v1/auth/sessions/{id}")]
pub(crate) async fn sessions_end(
    OwnAccount { person, change, .. }: OwnAccount,
    gateway: Data<Gateway>,
    id: Path<SessionId>,
) -> Result<HttpResponse, Failure> {
    gateway.sessions.end_of(&change, person.user, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}
