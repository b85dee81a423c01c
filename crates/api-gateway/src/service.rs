use std::{num::NonZero, sync::Arc, thread::available_parallelism};

use actix_web::web::{Data, ServiceConfig};
use chrono::TimeDelta;
use domain::audit::Change;
use futures_util::future::BoxFuture;
use runtime::{Context, Failure, Pool, Running, Section, StartError};
use store::{Database, identity::user_find};
use utoipa::OpenApi as _;

use crate::{
    Settings, account, admin,
    api_keys::{self, ApiKeys},
    audit::{self, Seal, failures::Failures},
    bootstrap::{Bootstrap, bootstrap_admin},
    guesses::Guesses,
    keys::Keys,
    live::{self, Live},
    oidc::{self, Oidc},
    people::{self, People},
    proxy::Proxy,
    retention::RetentionSessions,
    sessions::{self, Beginning, Sessions},
    sign_in,
};

#[derive(utoipa::OpenApi)]
#[openapi(
    paths(
        sign_in::login,
        sign_in::token_request,
        oidc::routes::providers,
        oidc::routes::oidc_start,
        oidc::routes::oidc_callback,
        oidc::routes::oidc_token,
        sessions::routes::refresh,
        sessions::routes::logout,
        sessions::routes::sessions_list,
        sessions::routes::sessions_end,
        account::me,
        account::change_password,
        live::routes::events,
        live::websocket::websocket,
        people::routes::list,
        people::routes::create,
        people::routes::get,
        people::routes::update,
        people::routes::deactivate,
        people::routes::reactivate,
        people::routes::reset_password,
        people::routes::sessions,
        people::routes::session_end,
        api_keys::routes::create,
        api_keys::routes::list,
        api_keys::routes::get,
        api_keys::routes::revoke,
        people::grant_routes::grants,
        people::grant_routes::grant_add,
        people::grant_routes::grant_remove,
        audit::routes::list,
        audit::routes::export
    ),
    components(schemas(api_types::Problem))
)]
struct Description;

/// What the routes work with.
pub(crate) struct Gateway {
    pub(crate) database: Database,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) guesses: Guesses,
    pub(crate) failures: Arc<Failures>,
    pub(crate) hashing: Pool,
    pub(crate) people: People,
    pub(crate) api_keys: ApiKeys,
    /// `None`: no identity provider is set up.
    pub(crate) oidc: Option<Oidc>,
}

/// Sign-ins that wait for their password to be hashed, each some tens of milliseconds; more are refused.
const SIGN_INS_WAITING: usize = 16;

/// The edge as a service.
#[derive(Clone, Copy, Debug, Default)]
pub struct Service;

impl runtime::Service for Service {
    fn name(&self) -> &'static str {
        "api-gateway"
    }

    fn needs_secrets(&self) -> bool {
        true
    }

    fn is_edge(&self) -> bool {
        true
    }

    fn section(&self) -> Option<Section> {
        Some(Section::of::<Settings>())
    }

    fn describe(&self) -> utoipa::openapi::OpenApi {
        Description::openapi()
    }

    fn start<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<Running, StartError>> {
        Box::pin(start(context))
    }
}

async fn start(context: &Context) -> Result<Running, StartError> {
    let (admin, database, now) = (&context.settings.admin, context.database.clone(), (context.clock)());
    // Half of the processors at most: the others serve.
    let threads = available_parallelism().map_or(1, NonZero::get).div_ceil(2).clamp(1, 4);
    let hashing = Pool::new(threads, SIGN_INS_WAITING);
    let bootstrap = bootstrap_admin(&database, &hashing, admin, now).await?;
    let sessions = Arc::new(sessions(context).await?);
    let people = People {
        database: database.clone(),
        identities: context.access.identities.clone(),
        hashing: hashing.clone(),
        clock: context.clock.clone(),
    };
    let api_keys = ApiKeys { database: database.clone(), identities: context.access.identities.clone(), clock: context.clock.clone() };
    let failures = Arc::new(Failures::default());
    let gateway = Data::new(Gateway {
        database: database.clone(),
        sessions: sessions.clone(),
        guesses: Guesses::default(),
        hashing,
        people,
        api_keys,
        oidc: Oidc::new(context, sessions.clone())?,
        failures: failures.clone(),
    });
    let name = admin.username.clone();
    let settings = context.settings.section::<Settings>()?;
    let proxy = Proxy::start(context, &settings)?;
    let live = Data::new(Live::start(context, &settings));
    let (descriptions, admin_url) = (proxy.descriptions(), admin::start(context, &settings, &proxy)?);
    let (clock, shutdown, summed) = (context.clock.clone(), context.shutdown.clone(), database.clone());
    context.tasks.spawn("gateway.refused_sign_ins", move || {
        let (failures, database, clock, shutdown) = (failures.clone(), summed.clone(), clock.clone(), shutdown.clone());
        async move { failures.keep_summing_up(&database, clock, shutdown).await }
    });
    let mut running = Running::new(move |config| routes(config, &gateway, &live, &proxy))
        .with_descriptions(descriptions)
        .with_reconcilers(vec![Arc::new(RetentionSessions { database: database.clone() }), Arc::new(Seal { database: database.clone() })])
        .with_local_access(move || local_access(database.clone(), sessions.clone(), name.clone()));
    if let Some(url) = admin_url {
        running = running.announce(format!("The gateway's admin API is on {url}"));
    }
    Ok(match bootstrap {
        Bootstrap::Ready => running,
        Bootstrap::Created(password) => {
            let name = &admin.username;
            running.announce(format!("Sign in as {name} with the password {password}  (shown this once; only its hash is kept)"))
        }
    })
}

async fn sessions(context: &Context) -> Result<Sessions, StartError> {
    let (clock, identities, auth) = (context.clock.clone(), context.access.identities.clone(), &context.settings.auth);
    let keys = Keys::load(context.database.clone(), context.secrets.clone(), identities.clone(), clock()).await?;
    let delta = |time| TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX);
    let (idle, lifetime) = (delta(auth.session_idle), delta(auth.session_lifetime));
    let provider_lifetime = delta(context.settings.oidc.session_lifetime);
    Ok(Sessions { keys, identities, clock, token_lifetime: auth.token_lifetime, idle, lifetime, provider_lifetime })
}

fn routes(config: &mut ServiceConfig, gateway: &Data<Gateway>, live: &Data<Live>, proxy: &Proxy) {
    config
        .app_data(gateway.clone())
        .app_data(live.clone())
        .service(sign_in::login)
        .service(sign_in::token_request)
        .service(oidc::routes::providers)
        .service(oidc::routes::oidc_start)
        .service(oidc::routes::oidc_callback)
        .service(oidc::routes::oidc_token)
        .service(sessions::routes::refresh)
        .service(sessions::routes::logout)
        .service(sessions::routes::sessions_list)
        .service(sessions::routes::sessions_end)
        .service(account::me)
        .service(account::change_password)
        .service(live::routes::events)
        .service(live::websocket::websocket)
        .service(people::routes::list)
        .service(people::routes::create)
        .service(people::routes::get)
        .service(people::routes::update)
        .service(people::routes::deactivate)
        .service(people::routes::reactivate)
        .service(people::routes::reset_password)
        .service(people::routes::sessions)
        .service(people::routes::session_end)
        .service(api_keys::routes::create)
        .service(api_keys::routes::list)
        .service(api_keys::routes::get)
        .service(api_keys::routes::revoke)
        .service(people::grant_routes::grants)
        .service(people::grant_routes::grant_add)
        .service(people::grant_routes::grant_remove)
        .service(audit::routes::export)
        .service(audit::routes::list);
    proxy.configure(config);
}

/// Signs a program of this process in as the administrator.
async fn local_access(database: Database, sessions: Arc<Sessions>, name: String) -> Result<String, Failure> {
    let missing = || Failure::Internal(format!("there is no user {name}"));
    let user = user_find(&database, &name).await?.ok_or_else(missing)?;
    let beginning = Beginning { device: Some("this process".to_owned()), ..Beginning::default() };
    Ok(sessions.begin(&user, beginning, |_| Change::by_hub()).await?.access_token)
}

impl Gateway {
    /// Whether the password is the one that was hashed, checked where it keeps nobody from being served.
    pub(crate) async fn matches(&self, password: String, hash: String) -> Result<bool, Failure> {
        matches(&self.hashing, password, hash).await.map_err(|failure| match failure {
            Failure::Overloaded => Failure::TooMany { detail: "too many sign in at once; try again", retry_after_s: 2 },
            other => other,
        })
    }
}

pub(crate) async fn matches(hashing: &Pool, password: String, hash: String) -> Result<bool, Failure> {
    hashing.run(move || auth::password_matches(&password, &hash)).await
}

pub(crate) async fn hashed(hashing: &Pool, password: String) -> Result<String, Failure> {
    let hash = hashing.run(move || auth::password_hash(&password)).await?;
    hash.map_err(|error| Failure::Internal(error.to_string()))
}
