use api_types::{
    Automation, AutomationArchived, AutomationCreate, AutomationFilter, AutomationUpdate, ExecuteOptions, IDEMPOTENCY_KEY_HEADER, Job,
    PauseRequest,
};
use domain::ids::AutomationId;
use reqwest::header::HeaderName;
use serde_json::{Map, Value};

use crate::{Call, Client, Error, List};

impl Client {
    /// Registers an automation.
    pub fn automation_create(&self, request: &AutomationCreate) -> Call<Automation> {
        self.post(&["automations"]).json(request)
    }

    /// Automations by id.
    pub fn automations(&self, filter: &AutomationFilter) -> List<Automation> {
        self.list(&["automations"], filter)
    }

    /// One automation.
    pub fn automation(&self, id: AutomationId) -> Call<Automation> {
        self.get(&["automations", &id.to_string()])
    }

    /// The automation with this name that is not archived.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn automation_named(&self, name: &str) -> Result<Option<Automation>, Error> {
        let filter = AutomationFilter { name: Some(name.to_owned()), limit: Some(1), ..AutomationFilter::default() };
        Ok(self.automations(&filter).page().await?.pop())
    }

    /// Changes the present fields.
    pub fn automation_update(&self, id: AutomationId, request: &AutomationUpdate) -> Call<Automation> {
        self.put(&["automations", &id.to_string()]).json(request)
    }

    /// Archives an automation; the answer has what creates no jobs of it any more.
    pub fn automation_archive(&self, id: AutomationId) -> Call<AutomationArchived> {
        self.delete(&["automations", &id.to_string()]).typed()
    }

    /// Pauses an automation: its jobs stay pending.
    pub fn automation_pause(&self, id: AutomationId, request: &PauseRequest) -> Call<Automation> {
        self.post(&["automations", &id.to_string(), "pause"]).repeatable().json(request)
    }

    /// Ends a pause.
    pub fn automation_resume(&self, id: AutomationId) -> Call<Automation> {
        self.post(&["automations", &id.to_string(), "resume"])
    }

    /// Runs an automation by the request of older platforms; [`Client::job_create`] is the native request. Repeated after a lost answer
    /// only with an idempotency key.
    pub fn automation_execute(
        &self,
        id: AutomationId,
        parameters: &Map<String, Value>,
        options: &ExecuteOptions,
        key: Option<&str>,
    ) -> Call<Job> {
        let call = self.post(&["automations", &id.to_string(), "execute"]).query(options).json(parameters);
        match key {
            Some(key) => call.header(HeaderName::from_static(IDEMPOTENCY_KEY_HEADER), key).repeatable(),
            None => call,
        }
    }
}
