use std::time::SystemTime;

use actix_web::{HttpResponse, post, web::Data};
use api_types::{LoginRequest, LoginResponse, Problem};
use chrono::Utc;
use runtime::{Admin, Failure, OpenJsonBody};
use secrecy::ExposeSecret;
use store::Database;

use crate::service::Gateway;

/// Characters of a password that is made here: 22 letters and digits have 130 bits.
const PASSWORD_LENGTH: usize = 22;
/// Hash that is checked for a name nobody has, so that the answer takes as long as for a name somebody has. No password is known for it.
const NOBODY: &str = "$argon2id$v=19$m=7168,t=5,p=1$c29tZXNhbHRzb21lc2FsdA$V1H7ZRbRr5ONXpDrUGSxdqEqyP5GBuVNzSHkYW/Zzb8";

/// Bytes of a user name that are looked up and logged.
const MOST_USERNAME: usize = 200;

/// Signs a user in.
///
/// The answer has a bearer token for the `Authorization` header. The body has at most 16 KiB.
#[utoipa::path(tag = "identity", request_body = LoginRequest, responses(
    (status = 200, body = LoginResponse), (status = 401, description = "Wrong user name or password", body = Problem),
    (status = 429, description = "Too many sign-ins at the same time; see Retry-After", body = Problem)))]
#[post("/api/v1/auth/login")]
pub(super) async fn login(gateway: Data<Gateway>, body: OpenJsonBody<LoginRequest>) -> Result<HttpResponse, Failure> {
    let LoginRequest { username, password } = body.0;
    // No name has a NUL character, and PostgreSQL does not take one.
    let is_name = username.len() <= MOST_USERNAME && !username.contains('\0');
    let user = if is_name { store::identity::user_find(&gateway.database, &username).await? } else { None };
    let known = user.is_some();
    let hash = user.map_or_else(|| NOBODY.to_owned(), |user| user.password_hash);
    let matches = gateway.hashing.run(move || auth::password_matches(&password, &hash)).await.map_err(|failure| match failure {
        Failure::Overloaded => Failure::TooMany("too many sign in at once; try again"),
        other => other,
    })?;
    if !(known && matches) {
        let shown = &username[..username.floor_char_boundary(MOST_USERNAME)];
        tracing::info!(user.name = shown, "sign-in refused");
        return Err(Failure::Unauthorized("wrong user name or password"));
    }
    let access_token = gateway.tokens.issue(&username, SystemTime::now()).map_err(|error| Failure::Internal(error.to_string()))?;
    let response = LoginResponse { access_token, token_type: "bearer".to_owned(), expires_in: gateway.tokens.lifetime().as_secs() };
    Ok(HttpResponse::Ok().json(response))
}

/// What the first start has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bootstrap {
    /// The administrator was there, or the settings name the password.
    Ready,
    /// The administrator was made with this password, which is kept nowhere: show it.
    Created(String),
}

/// Makes sure that there is an administrator: with the password of the settings, else with one made here at the first start.
///
/// # Errors
/// [`Failure::Unavailable`] or [`Failure::Internal`] when the database or hashing fails.
pub(crate) async fn bootstrap_admin(database: &Database, admin: &Admin) -> Result<Bootstrap, Failure> {
    let configured = admin.password.expose_secret();
    let existing = store::identity::user_find(database, &admin.username).await?;
    match existing {
        Some(_) if configured.is_empty() => Ok(Bootstrap::Ready),
        Some(user) => {
            let (password, hash) = (configured.to_owned(), user.password_hash);
            if !off_thread(move || Ok(auth::password_matches(&password, &hash))).await? {
                let hash = hashed(configured.to_owned()).await?;
                store::identity::user_set_password(database, &admin.username, &hash).await?;
            }
            Ok(Bootstrap::Ready)
        }
        None => {
            let made = configured.is_empty().then(|| auth::random_secret(PASSWORD_LENGTH));
            let hash = hashed(made.clone().unwrap_or_else(|| configured.to_owned())).await?;
            let inserted = store::identity::user_insert_if_absent(database, &admin.username, &hash, Utc::now()).await?;
            // Another replica may have been first: then its password counts.
            Ok(made.filter(|_| inserted).map_or(Bootstrap::Ready, Bootstrap::Created))
        }
    }
}

async fn hashed(password: String) -> Result<String, Failure> {
    off_thread(move || auth::password_hash(&password).map_err(|error| Failure::Internal(error.to_string()))).await
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Failure::Internal(error.to_string()))?
}
