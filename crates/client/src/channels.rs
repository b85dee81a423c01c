use api_types::{Channel, ChannelCreate, ChannelFilter, ChannelRotate, ChannelShown, ChannelTest, ChannelUpdate};
use domain::ids::ChannelId;

use crate::{Call, Client, List};

impl Client {
    /// Channels in order of creation.
    pub fn channels(&self, filter: &ChannelFilter) -> List<Channel> {
        self.list(&["channels"], filter)
    }

    /// One channel.
    pub fn channel(&self, id: ChannelId) -> Call<Channel> {
        self.get(&["channels", &id.to_string()])
    }

    /// Creates a channel. Only this answer contains a signing secret that the hub made.
    pub fn channel_create(&self, request: &ChannelCreate) -> Call<ChannelShown> {
        self.post(&["channels"]).json(request)
    }

    /// Changes a channel.
    pub fn channel_update(&self, id: ChannelId, request: &ChannelUpdate) -> Call<Channel> {
        self.put(&["channels", &id.to_string()]).json(request)
    }

    /// Deletes a channel with its secrets.
    pub fn channel_delete(&self, id: ChannelId) -> Call<()> {
        self.delete(&["channels", &id.to_string()])
    }

    /// Sends a test message over a channel, and returns what became of it.
    pub fn channel_test(&self, id: ChannelId) -> Call<ChannelTest> {
        self.post(&["channels", &id.to_string(), "test"])
    }

    /// Replaces the signing secret of a webhook. Only this answer contains one that the hub made.
    pub fn channel_rotate(&self, id: ChannelId, request: &ChannelRotate) -> Call<ChannelShown> {
        self.post(&["channels", &id.to_string(), "rotate"]).json(request)
    }
}
