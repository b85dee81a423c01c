use api_types::{
    Calendar, CalendarCreate, CalendarDaysFilter, CalendarFilter, CalendarImport, CalendarImportOptions, CalendarSummary, CalendarUpdate,
    ExplainedDay, Holiday, HolidayFilter,
};
use bytes::Bytes;
use domain::ids::CalendarId;

use crate::{Call, Client, Error, List};

impl Client {
    /// Calendars by id.
    pub fn calendars(&self, filter: &CalendarFilter) -> List<CalendarSummary> {
        self.list(&["calendars"], filter)
    }

    /// The calendar with this name.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn calendar_named(&self, name: &str) -> Result<Option<CalendarSummary>, Error> {
        let filter = CalendarFilter { name: Some(name.to_owned()), ..CalendarFilter::default() };
        Ok(self.calendars(&filter).page().await?.pop())
    }

    /// Adds a calendar.
    pub fn calendar_create(&self, request: &CalendarCreate) -> Call<Calendar> {
        self.post(&["calendars"]).json(request)
    }

    /// One calendar.
    pub fn calendar(&self, id: CalendarId) -> Call<Calendar> {
        self.get(&["calendars", &id.to_string()])
    }

    /// Changes a calendar.
    pub fn calendar_update(&self, id: CalendarId, request: &CalendarUpdate) -> Call<Calendar> {
        self.put(&["calendars", &id.to_string()]).json(request)
    }

    /// Deletes a calendar that no schedule uses.
    pub fn calendar_delete(&self, id: CalendarId) -> Call<()> {
        self.delete(&["calendars", &id.to_string()])
    }

    /// Business days of a calendar, and why.
    pub fn calendar_days(&self, id: CalendarId, filter: &CalendarDaysFilter) -> Call<Vec<ExplainedDay>> {
        self.get(&["calendars", &id.to_string(), "days"]).query(filter)
    }

    /// Imports the days of an iCalendar or CSV file. Imported once more it changes nothing, so it is repeated when the answer was lost.
    pub fn calendar_import(&self, id: CalendarId, options: &CalendarImportOptions, file: Bytes) -> Call<CalendarImport> {
        self.post(&["calendars", &id.to_string(), "import"]).repeatable().query(options).bytes(file)
    }

    /// Holidays of a year.
    pub fn holidays(&self, filter: &HolidayFilter) -> Call<Vec<Holiday>> {
        self.get(&["calendars", "holidays"]).query(filter)
    }
}
