//! Replaces the signing secret of a webhook, while receivers still have the old one.

use api_types::{ChannelRotate, ChannelShown};
use auth::hook_secret;
use chrono::TimeDelta;
use domain::{
    hook::Scheme,
    ids::ChannelId,
    notification::{ChannelKind, channel::Channel},
};
use runtime::{Editor, Failure};
use secrecy::SecretString;

use super::{
    Channels,
    manage::{Made, shown_with},
};
use crate::senders::{OLD_SIGNING_SECRET, Opened};

/// Seconds for which the old secret signs too, unless the request says otherwise; and at most.
const KEEP_S: u32 = 86_400;
const MOST_KEEP_S: u32 = 604_800;

impl Channels {
    pub(crate) async fn rotate(&self, by: &Editor, id: ChannelId, request: ChannelRotate) -> Result<ChannelShown, Failure> {
        let ChannelRotate { signing_secret, keep_old_s } = request;
        let keep_s = keep_old_s.unwrap_or(KEEP_S);
        if keep_s > MOST_KEEP_S {
            return Err(Failure::field("keep_old_s", format!("must be at most {MOST_KEEP_S} seconds")));
        }
        let until = Some((self.clock)() + TimeDelta::seconds(keep_s.into())).filter(|_| keep_s > 0);
        let given = signing_secret.map(SecretString::from);
        let change = |channel: &mut Channel, mut secrets: Opened| {
            if channel.kind() != ChannelKind::Webhook {
                let kind = channel.kind();
                return Err(Failure::conflict(
                    "no_signing_secret",
                    format!("a channel of {kind} signs nothing: change its secrets instead"),
                ));
            }
            let shown = given.is_none().then(|| hook_secret(Scheme::StandardWebhooks));
            let old = secrets.remove("signing_secret");
            secrets.remove(OLD_SIGNING_SECRET);
            if let Some(old) = old.filter(|_| until.is_some()) {
                secrets.set(OLD_SIGNING_SECRET, old);
            }
            if let Some(new) = given.or_else(|| shown.clone()) {
                secrets.set("signing_secret", new);
            }
            channel.sealed.old_until = until;
            Ok(Made { secrets: Some(secrets), shown })
        };
        let (channel, shown) = self.change(by, ("channel.rotate", None), id, change).await?;
        tracing::info!(channel.id = %id, "signing secret of a channel rotated");
        Ok(shown_with(&channel, shown))
    }
}
