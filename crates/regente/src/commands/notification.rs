//! `regente notification`.

use api_types::{Notification, NotificationDetail, NotificationFilter};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use domain::{
    ids::{AlertId, ChannelId, NotificationId},
    notification::NotificationState,
};

use super::{
    Exit, Fault, Outcome,
    output::{Width, age, facts, json_list, moment, table},
    remote::{Hub, Remote, parse},
};
use crate::terminal;

/// Arguments of `notification`.
#[derive(Args)]
pub(crate) struct NotificationArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: NotificationCommand,
}

#[derive(Subcommand)]
enum NotificationCommand {
    /// List messages to channels, newest first: what was sent, what waits, what was given up.
    List(ListArgs),
    /// Show one message: what was sent, and each attempt with its answer.
    Show {
        /// Its id.
        id: NotificationId,
    },
    /// Send a message once more that was given up, dropped or waits.
    Retry {
        /// Its id.
        id: NotificationId,
    },
}

/// Filters of the list.
#[derive(Args)]
struct ListArgs {
    /// Only those to this channel, by id.
    #[arg(long, value_name = "ID")]
    channel: Option<ChannelId>,
    /// Only those that tell of this alert.
    #[arg(long, value_name = "ID")]
    alert: Option<AlertId>,
    /// Only those in this state: waiting, sending, sent, failed or dropped.
    #[arg(long, value_name = "STATE")]
    state: Option<NotificationState>,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

pub(super) async fn run(args: NotificationArgs) -> Outcome {
    let (hub, is_json) = (args.remote.hub()?, args.remote.is_json());
    match args.command {
        NotificationCommand::List(args) => list(&hub, args, is_json).await,
        NotificationCommand::Show { id } => show(&hub, id, is_json).await,
        NotificationCommand::Retry { id } => {
            let call = hub.client.notification_retry(id);
            hub.change(call, is_json, |_: &Notification| format!("Notification {id} is sent once more.")).await
        }
    }
}

async fn list(hub: &Hub, args: ListArgs, is_json: bool) -> Outcome {
    let ListArgs { channel, alert, state, limit } = args;
    let page = u32::try_from(limit.clamp(1, 1000)).ok();
    let list = hub.client.notifications(&NotificationFilter { channel, alert, state, limit: page, after: None });
    if is_json {
        json_list(hub, list, limit).await?;
    } else {
        let found = list.take(limit).await.map_err(|error| hub.fault(error))?;
        table(&COLUMNS, &found.iter().map(|one| row(one, Utc::now())).collect::<Vec<_>>())?;
    }
    Ok(Exit::Done)
}

const COLUMNS: [(&str, Width); 7] = [
    ("id", Width::Whole),
    ("kind", Width::Whole),
    ("state", Width::Whole),
    ("title", Width::Cut),
    ("age", Width::Whole),
    ("attempts", Width::Whole),
    ("answer", Width::Cut),
];

fn row(one: &Notification, now: DateTime<Utc>) -> Vec<String> {
    vec![
        one.id.to_string(),
        one.kind.to_string(),
        one.state.to_string(),
        one.title.clone().unwrap_or_default(),
        age(now - one.created_at),
        one.attempts.to_string(),
        one.reason.clone().or_else(|| one.answer.clone()).unwrap_or_default(),
    ]
}

async fn show(hub: &Hub, id: NotificationId, is_json: bool) -> Outcome {
    let text = hub.client.notification(id).text().await.map_err(|error| hub.fault(error))?;
    if is_json {
        terminal::line(&text)?;
        return Ok(Exit::Done);
    }
    shown(&parse(&text)?)?;
    Ok(Exit::Done)
}

fn shown(detail: &NotificationDetail) -> Result<(), Fault> {
    let NotificationDetail { notification: one, message, tries } = detail;
    let attempt = |attempt: &api_types::NotificationAttempt| {
        let status = attempt.status.map(|status| format!(" {status}")).unwrap_or_default();
        let outcome = match attempt.taken {
            Some(true) => "taken",
            Some(false) => "not taken",
            None => "no outcome",
        };
        format!("{} {outcome}{status}: {}", moment(attempt.at), attempt.answer.as_deref().unwrap_or_default())
    };
    facts([
        ("notification", Some(one.id.to_string())),
        ("channel", Some(one.channel_id.to_string())),
        ("kind", Some(one.kind.to_string())),
        ("state", Some(one.state.to_string())),
        ("reason", one.reason.clone()),
        ("due", Some(moment(one.due_at))),
        ("ended", one.ended_at.map(moment)),
        ("reference", one.reference.clone()),
        ("alerts", Some(one.alert_ids.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))),
        ("attempts", Some(tries.iter().map(attempt).collect::<Vec<_>>().join("\n"))),
        ("title", message.as_ref().map(|message| message.title.clone())),
        ("text", message.as_ref().map(|message| message.text.clone())),
    ])?;
    Ok(())
}
