use api_types::{Sla, SlaFilter, SlaMute, SlaUpdate};
use domain::ids::SlaId;

use crate::{Call, Client, List};

impl Client {
    /// SLA rules in order of creation.
    pub fn slas(&self, filter: &SlaFilter) -> List<Sla> {
        self.list(&["slas"], filter)
    }

    /// One SLA rule, with how each expectation of each subject is.
    pub fn sla(&self, id: SlaId) -> Call<Sla> {
        self.get(&["slas", &id.to_string()])
    }

    /// Creates an SLA rule.
    pub fn sla_create(&self, request: &SlaUpdate) -> Call<Sla> {
        self.post(&["slas"]).json(request)
    }

    /// Changes the present fields.
    pub fn sla_update(&self, id: SlaId, request: &SlaUpdate) -> Call<Sla> {
        self.put(&["slas", &id.to_string()]).json(request)
    }

    /// Deletes an SLA rule and resolves its alerts.
    pub fn sla_delete(&self, id: SlaId) -> Call<()> {
        self.delete(&["slas", &id.to_string()])
    }

    /// Nobody is notified of its alerts for a time.
    pub fn sla_mute(&self, id: SlaId, request: &SlaMute) -> Call<Sla> {
        self.post(&["slas", &id.to_string(), "mute"]).json(request).repeatable()
    }
}
