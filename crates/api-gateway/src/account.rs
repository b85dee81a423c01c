//! One's own account.

use actix_web::{HttpResponse, get, post, web::Data};
use api_types::{ChangePasswordRequest, LoginResponse, Me, MyAccount, Places, Problem, Reach};
use domain::{
    Scope,
    permission::{Permission, Scopes},
    user::check_password,
};
use runtime::{Caller, Failure, JsonBody, Known, OwnAccount};
use store::{
    identity::{User, user_get, user_set_password},
    sessions::session_find,
};

use crate::{
    guesses::{Account, Known as KnownFrom},
    service::{Gateway, hashed},
    sign_in::slowed,
};

const GONE: Failure = Failure::Unauthorized("the sign-in has ended; sign in again");

/// Returns who makes the request, and what they may do.
#[utoipa::path(tag = "account", responses((status = 200, body = Me)))]
#[get("/api/v1/auth/me")]
pub(crate) async fn me(Known(caller): Known, gateway: Data<Gateway>) -> Result<HttpResponse, Failure> {
    let Caller { principal, person } = caller;
    let user = match person {
        Some(person) => {
            let User { id, username, email, display_name, must_change_password, .. } =
                user_get(&gateway.database, person.user).await?.ok_or(GONE)?;
            Some(MyAccount { id: id.get(), username, email, display_name, must_change_password, session_id: person.session.get() })
        }
        None => None,
    };
    let permissions = Permission::ALL.iter().filter(|permission| principal.scopes.has(**permission)).map(ToString::to_string).collect();
    Ok(HttpResponse::Ok().json(Me { name: principal.name(), permissions, reach: reach(&principal.scopes), user }))
}

/// Permissions by where one has them, in the order of the first of each.
fn reach(scopes: &Scopes) -> Vec<Reach> {
    let mut shown: Vec<(&Scope, Reach)> = Vec::new();
    for permission in Permission::ALL.into_iter().filter(|permission| scopes.has(*permission)) {
        let scope = scopes.of(permission);
        let at = shown.iter().position(|(known, _)| *known == scope).unwrap_or_else(|| {
            shown.push((scope, Reach { permissions: Vec::new(), within: within(scope) }));
            shown.len() - 1
        });
        if let Some((_, reach)) = shown.get_mut(at) {
            reach.permissions.push(permission.to_string());
        }
    }
    shown.into_iter().map(|(_, reach)| reach).collect()
}

fn within(scope: &Scope) -> Vec<Places> {
    let mut next = match scope {
        Scope::All => None,
        Scope::Only(places) => Some(places),
    };
    let places = std::iter::from_fn(|| {
        let places = next?;
        next = places.within.as_deref();
        Some(places)
    });
    let shown = |places: &domain::scope::Places| Places {
        domain_ids: places.domains.iter().copied().collect(),
        automation_ids: places.automations.iter().copied().collect(),
        labels: places.labels.iter().cloned().collect(),
    };
    places.map(shown).collect()
}

/// Replaces one's own password, and ends all other sessions.
///
/// Access tokens made before are refused, this session's as well: the answer has new ones.
#[utoipa::path(tag = "account", request_body = ChangePasswordRequest, responses(
    (status = 200, body = LoginResponse),
    (status = 409, description = "Another request changed it meanwhile, or `no_password`: an identity provider signs the caller in", body = Problem),
    (status = 429, description = "Too many wrong passwords; see Retry-After", body = Problem)))]
#[post("/api/v1/auth/change-password")]
pub(crate) async fn change_password(
    OwnAccount { person, change, .. }: OwnAccount,
    gateway: Data<Gateway>,
    body: JsonBody<ChangePasswordRequest>,
) -> Result<HttpResponse, Failure> {
    let ChangePasswordRequest { current_password, new_password } = body.0;
    let user = user_get(&gateway.database, person.user).await?.ok_or(GONE)?;
    if !user.has_password() {
        let detail = "you have no password: the identity provider signs you in. An administrator can give you one";
        return Err(Failure::conflict("no_password", detail));
    }
    let refused = |message: &str| Failure::field("new_password", message);
    if new_password == current_password {
        return Err(refused("must not be the current password"));
    }
    check_password(&new_password, &user.username, user.email.as_deref()).map_err(refused)?;
    let (account, device, now) = (Account::User(user.id), KnownFrom::Device(person.session), (gateway.sessions.clock)());
    gateway.guesses.attempt_known(&account, device, now).map_err(slowed)?;
    if !gateway.matches(current_password, user.password_hash.clone()).await? {
        return Err(Failure::field("current_password", "is not the current password"));
    }
    gateway.guesses.succeeded_known(&account, device);
    let hash = hashed(&gateway.hashing, new_password).await?;
    let replaced =
        user_set_password(&gateway.database, &change, (user.id, Some(person.session)), (&user.password_hash, &hash), now).await?;
    if !replaced {
        return Err(Failure::conflict("password_changed", "the password was changed by another request; sign in again"));
    }
    gateway.sessions.identities.refresh().await?;
    tracing::info!(user.name = user.username, "password changed");
    let user = user_get(&gateway.database, user.id).await?.ok_or(GONE)?;
    let session = session_find(&gateway.database, person.session).await?.ok_or(GONE)?;
    Ok(HttpResponse::Ok().json(gateway.sessions.tokens(&user, &session, now).await?))
}
