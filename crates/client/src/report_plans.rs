use api_types::{ReportPlan, ReportPlanCreate, ReportPlanFilter, ReportPlanSent, ReportPlanUpdate};
use domain::ids::ReportPlanId;

use crate::{Call, Client, List};

impl Client {
    /// Report plans in order of creation.
    pub fn report_plans(&self, filter: &ReportPlanFilter) -> List<ReportPlan> {
        self.list(&["report-plans"], filter)
    }

    /// One report plan.
    pub fn report_plan(&self, id: ReportPlanId) -> Call<ReportPlan> {
        self.get(&["report-plans", &id.to_string()])
    }

    /// Creates a report plan.
    pub fn report_plan_create(&self, request: &ReportPlanCreate) -> Call<ReportPlan> {
        self.post(&["report-plans"]).json(request)
    }

    /// Changes a report plan.
    pub fn report_plan_update(&self, id: ReportPlanId, request: &ReportPlanUpdate) -> Call<ReportPlan> {
        self.put(&["report-plans", &id.to_string()]).json(request)
    }

    /// Deletes a report plan.
    pub fn report_plan_delete(&self, id: ReportPlanId) -> Call<()> {
        self.delete(&["report-plans", &id.to_string()])
    }

    /// Sends the report of the last period now, and returns which messages it became.
    pub fn report_plan_send(&self, id: ReportPlanId) -> Call<ReportPlanSent> {
        self.post(&["report-plans", &id.to_string(), "send"])
    }
}
