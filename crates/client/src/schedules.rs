use api_types::{
    Fire, FireFilter, IDEMPOTENCY_KEY_HEADER, Job, PauseRequest, Schedule, ScheduleBulkResponse, ScheduleExportFilter, ScheduleFilter,
    ScheduleImport, ScheduleImportQuery, SchedulePauseRequest, SchedulePreview, SchedulePreviewQuery, ScheduleResumeRequest,
    ScheduleUpdate,
};
use bytes::Bytes;
use domain::ids::{AutomationId, ScheduleId};
use reqwest::header::HeaderName;

use crate::{Call, Client, Error, List};

impl Client {
    /// Creates a schedule; the request names its automation.
    pub fn schedule_create(&self, request: &ScheduleUpdate) -> Call<Schedule> {
        self.post(&["schedules"]).json(request)
    }

    /// Schedules by id.
    pub fn schedules(&self, filter: &ScheduleFilter) -> List<Schedule> {
        self.list(&["schedules"], filter)
    }

    /// One schedule.
    pub fn schedule(&self, id: ScheduleId) -> Call<Schedule> {
        self.get(&["schedules", &id.to_string()])
    }

    /// The automation's schedule with this name.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn schedule_named(&self, automation_id: AutomationId, name: &str) -> Result<Option<Schedule>, Error> {
        let filter = ScheduleFilter {
            automation_id: Some(automation_id),
            name: Some(name.to_owned()),
            limit: Some(1),
            disabled: true,
            ..ScheduleFilter::default()
        };
        Ok(self.schedules(&filter).page().await?.pop())
    }

    /// Changes the present fields.
    pub fn schedule_update(&self, id: ScheduleId, request: &ScheduleUpdate) -> Call<Schedule> {
        self.put(&["schedules", &id.to_string()]).json(request)
    }

    /// Deletes a schedule; its jobs stay.
    pub fn schedule_delete(&self, id: ScheduleId) -> Call<()> {
        self.delete(&["schedules", &id.to_string()])
    }

    /// When a schedule would fire, without saving it.
    pub fn schedule_preview(&self, query: &SchedulePreviewQuery) -> Call<SchedulePreview> {
        self.get(&["schedules", "preview"]).query(query)
    }

    /// Past and coming fires between two times, in order.
    pub fn schedule_fires(&self, filter: &FireFilter) -> List<Fire> {
        self.list(&["schedules", "fires"], filter)
    }

    /// Runs a schedule now. Repeated after a lost answer only with an idempotency key.
    pub fn schedule_run(&self, id: ScheduleId, key: Option<&str>) -> Call<Job> {
        let call = self.post(&["schedules", &id.to_string(), "run"]);
        match key {
            Some(key) => call.header(HeaderName::from_static(IDEMPOTENCY_KEY_HEADER), key).repeatable(),
            None => call,
        }
    }

    /// Pauses a schedule: it does not fire.
    pub fn schedule_pause(&self, id: ScheduleId, request: &PauseRequest) -> Call<Schedule> {
        self.post(&["schedules", &id.to_string(), "pause"]).repeatable().json(request)
    }

    /// Ends a pause.
    pub fn schedule_resume(&self, id: ScheduleId) -> Call<Schedule> {
        self.post(&["schedules", &id.to_string(), "resume"])
    }

    /// Pauses schedules by conditions.
    pub fn schedules_pause(&self, request: &SchedulePauseRequest) -> Call<ScheduleBulkResponse> {
        self.post(&["schedules", "bulk", "pause"]).repeatable().json(request)
    }

    /// Ends pauses by conditions.
    pub fn schedules_resume(&self, request: &ScheduleResumeRequest) -> Call<ScheduleBulkResponse> {
        self.post(&["schedules", "bulk", "resume"]).repeatable().json(request)
    }

    /// Schedules as a YAML document; read it with [`Call::text`].
    pub fn schedules_export(&self, filter: &ScheduleExportFilter) -> Call<String> {
        self.get(&["schedules", "export"]).query(filter)
    }

    /// Makes the schedules of the automations in a YAML document what it says.
    pub fn schedules_import(&self, document: &str, query: &ScheduleImportQuery) -> Call<ScheduleImport> {
        self.post(&["schedules", "import"]).query(query).bytes(Bytes::copy_from_slice(document.as_bytes()))
    }
}
