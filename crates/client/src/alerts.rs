use api_types::{
    Alert, AlertBulkRequest, AlertBulkResponse, AlertCommentRequest, AlertFilter, AlertMuteRequest, AlertRequest, AlertmanagerResponse,
    AlertmanagerWebhook,
};
use domain::ids::AlertId;

use crate::{Call, Client, List};

impl Client {
    /// Alerts, newest first.
    pub fn alerts(&self, filter: &AlertFilter) -> List<Alert> {
        self.list(&["alerts"], filter)
    }

    /// One alert, with its story.
    pub fn alert(&self, id: AlertId) -> Call<Alert> {
        self.get(&["alerts", &id.to_string()])
    }

    /// Takes an alert.
    pub fn alert_acknowledge(&self, id: AlertId, request: &AlertRequest) -> Call<Alert> {
        self.post(&["alerts", &id.to_string(), "acknowledge"]).json(request)
    }

    /// Says that an alert is over.
    pub fn alert_resolve(&self, id: AlertId, request: &AlertRequest) -> Call<Alert> {
        self.post(&["alerts", &id.to_string(), "resolve"]).json(request)
    }

    /// Silences an alert until a time.
    pub fn alert_mute(&self, id: AlertId, request: &AlertMuteRequest) -> Call<Alert> {
        self.post(&["alerts", &id.to_string(), "mute"]).json(request)
    }

    /// Ends the silence of an alert.
    pub fn alert_unmute(&self, id: AlertId, request: &AlertRequest) -> Call<Alert> {
        self.post(&["alerts", &id.to_string(), "unmute"]).json(request)
    }

    /// Adds a comment to an alert.
    pub fn alert_comment(&self, id: AlertId, request: &AlertCommentRequest) -> Call<Alert> {
        self.post(&["alerts", &id.to_string(), "comment"]).json(request)
    }

    /// Acknowledges the open alerts that meet the conditions.
    pub fn alerts_acknowledge(&self, request: &AlertBulkRequest) -> Call<AlertBulkResponse> {
        self.post(&["alerts", "bulk", "acknowledge"]).json(request)
    }

    /// Tells of alerts as Alertmanager does.
    pub fn alerts_alertmanager(&self, message: &AlertmanagerWebhook) -> Call<AlertmanagerResponse> {
        self.post(&["alerts", "alertmanager"]).json(message)
    }
}
