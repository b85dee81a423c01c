//! `regente user`.

pub(super) mod grants;

use api_types::{PasswordReset, Session, SessionFilter, User, UserCreate, UserCreated, UserFilter, UserUpdate};
use clap::{Args, Subcommand};
use domain::ids::SessionId;
use secrecy::ExposeSecret as _;

use super::{
    Exit, Fault, Outcome,
    login::password_from_stdin,
    output::{Width, facts, listed, moment},
    remote::{Hub, Remote},
};
use crate::terminal;

/// Arguments of `user`.
#[derive(Args)]
pub(crate) struct UserArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Subcommand)]
enum UserCommand {
    /// List users.
    List {
        /// Only those with this text in their name, e-mail address or display name.
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// Only those who may sign in (true), or may not (false).
        #[arg(long, value_name = "BOOL")]
        active: Option<bool>,
    },
    /// Add a user, with a generated password unless one is given.
    Create {
        /// User name.
        name: String,
        #[command(flatten)]
        profile: Profile,
        #[command(flatten)]
        password: Password,
    },
    /// Show one user.
    Show {
        /// User name or id.
        name: String,
    },
    /// Change a user's e-mail address or display name.
    Update {
        /// User name or id.
        name: String,
        #[command(flatten)]
        profile: Profile,
    },
    /// End a user's sessions and API keys, and refuse further sign-ins.
    Deactivate {
        /// User name or id.
        name: String,
    },
    /// Let a deactivated user sign in again.
    Reactivate {
        /// User name or id.
        name: String,
    },
    /// Give a user another password and end their sessions.
    ResetPassword {
        /// User name or id.
        name: String,
        #[command(flatten)]
        password: Password,
    },
    /// List what a user may do, and where.
    Grants {
        /// User name or id.
        name: String,
    },
    /// Grant a user a role or a permission: everywhere, or in one place.
    Grant(grants::GrantArgs),
    /// Take a grant away from a user.
    Revoke(grants::GrantArgs),
    /// List where a user is signed in, or end one of these sessions.
    Sessions {
        /// User name or id.
        name: String,
        /// End the session with this id.
        #[arg(long, value_name = "ID")]
        end: Option<SessionId>,
    },
}

#[derive(Args)]
struct Profile {
    /// E-mail address; empty: none.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// What people call them; empty: nothing.
    #[arg(long, value_name = "NAME")]
    display_name: Option<String>,
}

#[derive(Args)]
struct Password {
    /// Read the password from the first line of standard input instead of having one generated.
    #[arg(long)]
    password_stdin: bool,
    /// Do not make them choose another password at their next sign-in.
    #[arg(long)]
    keep_password: bool,
}

impl Password {
    fn read(&self) -> Result<PasswordReset, Fault> {
        let password = if self.password_stdin { Some(password_from_stdin()?.expose_secret().to_owned()) } else { None };
        Ok(PasswordReset { password, must_change_password: Some(!self.keep_password) })
    }
}

pub(super) async fn run(args: UserArgs) -> Outcome {
    let (hub, is_json) = (args.remote.hub()?, args.remote.is_json());
    match args.command {
        UserCommand::List { search, active } => {
            let filter = UserFilter { limit: Some(1000), search, is_active: active, ..UserFilter::default() };
            listed(&hub, hub.client.users(&filter), is_json, &COLUMNS, row).await
        }
        UserCommand::Create { name, profile, password } => {
            let PasswordReset { password, must_change_password } = password.read()?;
            let request =
                UserCreate { username: name, email: profile.email, display_name: profile.display_name, password, must_change_password };
            hub.change(hub.client.user_create(&request), is_json, |created| says(created, "is added")).await
        }
        UserCommand::Show { name } => show(&hub, &name, is_json).await,
        UserCommand::Update { name, profile } => {
            let given = |text: Option<String>| text.map(|text| Some(text).filter(|text| !text.is_empty()));
            let request = UserUpdate { email: given(profile.email), display_name: given(profile.display_name) };
            let call = hub.client.user_update(find(&hub, &name).await?.id, &request);
            hub.change(call, is_json, |user: &User| format!("User {} is changed.", user.username)).await
        }
        UserCommand::Deactivate { name } => {
            let says = |user: &User| format!("User {} is deactivated: their sessions and API keys have ended.", user.username);
            hub.change(hub.client.user_deactivate(find(&hub, &name).await?.id), is_json, says).await
        }
        UserCommand::Reactivate { name } => {
            let says = |user: &User| format!("User {} may sign in again.", user.username);
            hub.change(hub.client.user_reactivate(find(&hub, &name).await?.id), is_json, says).await
        }
        UserCommand::ResetPassword { name, password } => {
            let call = hub.client.user_reset_password(find(&hub, &name).await?.id, &password.read()?);
            hub.change(call, is_json, |reset| says(reset, "has another password")).await
        }
        UserCommand::Grants { name } => grants::list(&hub, &name, is_json).await,
        UserCommand::Grant(args) => grants::grant(&hub, &args, is_json).await,
        UserCommand::Revoke(args) => grants::revoke(&hub, &args, is_json).await,
        UserCommand::Sessions { name, end } => sessions(&hub, &name, end, is_json).await,
    }
}

/// The user with this name, else with this id.
pub(super) async fn find(hub: &Hub, name: &str) -> Result<User, Fault> {
    if let Some(user) = hub.client.user_named(name).await.map_err(|error| hub.fault(error))? {
        return Ok(user);
    }
    let missing = || Fault::here(format!("there is no user \"{name}\" at {}: `regente user list` lists them", hub.client.url()));
    let Ok(id) = name.parse() else { return Err(missing()) };
    match hub.client.user(id).await {
        Err(error) if error.status() == Some(404) => Err(missing()),
        outcome => outcome.map_err(|error| hub.fault(error)),
    }
}

async fn show(hub: &Hub, name: &str, is_json: bool) -> Outcome {
    let user = find(hub, name).await?;
    if is_json {
        terminal::line(&hub.client.user(user.id).text().await.map_err(|error| hub.fault(error))?)?;
        return Ok(Exit::Done);
    }
    let state = state(&user).to_owned();
    facts([
        ("name", Some(user.username)),
        ("id", Some(user.id.to_string())),
        ("display name", user.display_name),
        ("email", user.email),
        ("state", Some(state)),
        ("created", Some(moment(user.created_at))),
    ])?;
    Ok(Exit::Done)
}

async fn sessions(hub: &Hub, name: &str, end: Option<SessionId>, is_json: bool) -> Outcome {
    let user = find(hub, name).await?;
    let Some(session) = end else {
        let filter = SessionFilter { limit: Some(1000), after: None };
        return listed(hub, hub.client.user_sessions(user.id, &filter), is_json, &SESSIONS, session_row).await;
    };
    hub.client.user_session_end(user.id, session).await.map_err(|error| hub.fault(error))?;
    if !is_json {
        terminal::line(&format!("The session of {} has ended.", user.username))?;
    }
    Ok(Exit::Done)
}

/// What became of a user, and the password if the hub made it.
fn says(UserCreated { password, user }: &UserCreated, what: &str) -> String {
    let password = password.as_ref().map(|password| format!(" The password is {password} (shown this once).")).unwrap_or_default();
    format!("User {} {what}.{password}", user.username)
}

const COLUMNS: [(&str, Width); 5] =
    [("name", Width::Whole), ("display name", Width::Cut), ("email", Width::Cut), ("state", Width::Whole), ("created", Width::Cut)];

fn row(user: &User) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![user.username.clone(), text(&user.display_name), text(&user.email), state(user).to_owned(), moment(user.created_at)]
}

const fn state(user: &User) -> &'static str {
    match (user.is_active, user.must_change_password) {
        (false, _) => "deactivated",
        (true, true) => "must change the password",
        (true, false) => "active",
    }
}

const SESSIONS: [(&str, Width); 5] =
    [("id", Width::Whole), ("began", Width::Whole), ("last used", Width::Whole), ("address", Width::Cut), ("program", Width::Cut)];

fn session_row(session: &Session) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (began, used) = (moment(session.created_at), moment(session.last_used_at));
    vec![session.id.to_string(), began, used, text(&session.address), text(&session.device)]
}
