use api_types::{Notification, NotificationDetail, NotificationFilter, NotificationPreview, NotificationText};
use domain::ids::NotificationId;

use crate::{Call, Client, List};

impl Client {
    /// Messages to channels, newest first.
    pub fn notifications(&self, filter: &NotificationFilter) -> List<Notification> {
        self.list(&["notifications"], filter)
    }

    /// One message, with what was sent and each attempt.
    pub fn notification(&self, id: NotificationId) -> Call<NotificationDetail> {
        self.get(&["notifications", &id.to_string()])
    }

    /// Has a message sent once more that was given up, dropped or waits.
    pub fn notification_retry(&self, id: NotificationId) -> Call<Notification> {
        self.post(&["notifications", &id.to_string(), "retry"])
    }

    /// What a message would say, without sending it.
    pub fn notification_preview(&self, request: &NotificationPreview) -> Call<NotificationText> {
        self.post(&["notifications", "preview"]).json(request)
    }
}
