use api_types::{ActivityReport, ReportFilter};

use crate::{Call, Client};

impl Client {
    /// How automations did in a day or a week.
    pub fn report(&self, filter: &ReportFilter) -> Call<ActivityReport> {
        self.get(&["reports"]).query(filter)
    }

    /// The same as an HTML page.
    pub fn report_page(&self, filter: &ReportFilter) -> Call<String> {
        self.get(&["reports", "page"]).query(filter)
    }
}
