//! Sends a test message over a channel, says what became of it, and keeps it in the log of notifications.

use std::time::Instant;

use api_types::ChannelTest;
use domain::{
    alert::Severity,
    ids::ChannelId,
    notification::{Message, NoticeKind, channel::Channel},
    schedule::words::Language,
};
use runtime::{Editor, Failure};
use serde_json::json;
use store::{
    audit::audit_insert,
    channels::target,
    notifications::{Tested, notification_record_test},
};
use uuid::Uuid;

use super::Channels;

impl Channels {
    /// Also over a channel that is off: whoever corrects it wants to know before it is switched on.
    pub(crate) async fn test(&self, by: &Editor, id: ChannelId) -> Result<ChannelTest, Failure> {
        let channel = self.find(by, id).await?;
        let begun = Instant::now();
        let message = self.message(&channel);
        let sent = self.senders.send(&channel, &message).await;
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let now = (self.clock)();
        let tested =
            Tested { channel_id: id, message: &message, outcome: &sent, at: now, took_ms: i64::try_from(took_ms).unwrap_or(i64::MAX) };
        notification_record_test(&self.database, &tested).await?;
        let test = match sent {
            Ok(receipt) => ChannelTest { sent: true, status: receipt.status, answer: receipt.answer, took_ms },
            Err(error) => ChannelTest { sent: false, status: error.status, answer: error.message, took_ms },
        };
        let entry = json!({"sent": test.sent, "status": test.status});
        audit_insert(&self.database, &by.change().entry("channel.test", target(id), None, Some(entry)), now).await?;
        Ok(test)
    }

    fn message(&self, channel: &Channel) -> Message {
        let name = &channel.draft.name;
        let (title, text) = match channel.draft.language {
            Language::Pt => (
                format!("Teste do canal {name}"),
                "Esta é uma mensagem de teste do Regente. Se você a lê, o canal funciona: não há nada a fazer.",
            ),
            Language::En => (
                format!("Test of the channel {name}"),
                "This is a test message of Regente. If you can read it, the channel works: there is nothing to do.",
            ),
        };
        Message {
            id: Uuid::now_v7().into(),
            kind: NoticeKind::Test,
            at: (self.clock)(),
            language: channel.draft.language,
            severity: Severity::Info,
            title,
            text: text.to_owned(),
            html: None,
            alerts: Vec::new(),
            more: 0,
            url: None,
            reference: None,
        }
    }
}
