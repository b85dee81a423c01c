//! Sends a message over a channel: opens the channel's secrets, makes the vendor's payload, and says what became of it.
//!
//! What must hold: nothing of a secret is in a receipt or an error; every connection goes through [`Outbound`]; an answer has one meaning, which
//! says whether the message is sent again.

mod answer;
mod jira;
mod mail;
mod opened;
mod pagerduty;
#[cfg(test)]
mod pictures;
mod slack;
mod smtp;
mod teams;
mod telegram;
#[cfg(test)]
mod testing;
mod text;
mod webhook;

use auth::secrets::{CHANNEL, Place};
use chrono::{DateTime, Utc};
use domain::notification::{
    Fate, Message, Receipt, SendError,
    channel::{Channel, Settings},
};
use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use runtime::{
    Clock, Context, Secrets,
    outbound::{Outbound, OutboundAnswer, OutboundRequest},
};
use uuid::Uuid;

pub(crate) use self::opened::{OLD_SIGNING_SECRET, Opened};

/// Sends messages. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Senders {
    secrets: Secrets,
    outbound: Outbound,
    clock: Clock,
}

/// Where the secrets of a channel are sealed.
pub(crate) fn place(id: &str) -> Place<'_> {
    Place { purpose: CHANNEL, id }
}

impl Senders {
    pub(crate) fn new(context: &Context, outbound: Outbound) -> Self {
        Self { secrets: context.secrets.clone(), outbound, clock: context.clock.clone() }
    }

    /// Sends a message and says what became of it.
    ///
    /// Cancel-safe only in that nothing is stored: a message whose call was dropped may have arrived.
    ///
    /// # Errors
    /// What went wrong, and what is to be done with the message.
    pub(crate) async fn send(&self, channel: &Channel, message: &Message) -> Result<Receipt, SendError> {
        let secrets = self.open(channel.sealed.id).await?;
        match &channel.draft.settings {
            Settings::Email(email) => self.mail(email, &secrets, message).await,
            Settings::Slack(_) => self.slack(&secrets, message).await,
            Settings::Teams(_) => self.teams(&secrets, message).await,
            Settings::Webhook(webhook) => self.webhook((channel.id, webhook, channel.sealed.old_until), &secrets, message).await,
            Settings::PagerDuty(pager) => self.pagerduty(channel.id, pager, &secrets, message).await,
            Settings::Jira(jira) => self.jira(jira, &secrets, message).await,
            Settings::Telegram(telegram) => self.telegram(telegram, &secrets, message).await,
        }
    }

    async fn open(&self, id: Option<Uuid>) -> Result<Opened, SendError> {
        let Some(id) = id else { return Ok(Opened::default()) };
        let later = |message: String| SendError { fate: Fate::Retry(None), status: None, message };
        let found = self.secrets.find(place(&id.to_string())).await;
        let found = found.map_err(|error| later(format!("the channel's secrets cannot be opened: {error}")))?;
        let opened = found.as_ref().and_then(Opened::from_json);
        opened.ok_or_else(|| later("the channel's secrets are not there: give them again".to_owned()))
    }

    fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    async fn post(&self, url: &str, headers: &[(&'static str, String)], body: Vec<u8>) -> Result<OutboundAnswer, SendError> {
        self.request(Method::POST, url, headers, body).await
    }

    async fn request(
        &self,
        method: Method,
        url: &str,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<OutboundAnswer, SendError> {
        let url = self.outbound.check_url(url).map_err(|fault| answer::unsent(&fault.into()))?;
        let headers = header_map(headers).ok_or_else(|| answer::unsendable("a header has characters that none may have"))?;
        self.outbound.send(OutboundRequest { method, url, headers, body }).await.map_err(|error| answer::unsent(&error))
    }
}

/// A secret that a channel of this kind must have.
fn required<'s>(secrets: &'s Opened, name: &str) -> Result<&'s str, SendError> {
    secrets.get(name).ok_or_else(|| answer::unsendable(format!("the channel has no secret {name}")))
}

fn header_map(headers: &[(&'static str, String)]) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        map.insert(HeaderName::from_static(name), value);
    }
    Some(map)
}
