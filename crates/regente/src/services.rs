//! The services of the house. A further one is a line here.

use runtime::{Section, Service, Settings, SettingsError};

/// Every service. The routes of the first are tried first: those of jobs.
#[must_use]
pub fn services() -> Vec<Box<dyn Service>> {
    vec![Box::new(orchestrator::Service), Box::new(api_gateway::Service)]
}

/// Reads the settings with the sections of all services; `file` when given, else `regente.toml` when it is there.
///
/// # Errors
/// Every fault found, each naming its key.
pub fn load_settings(file: Option<&str>) -> Result<Settings, SettingsError> {
    let sections: Vec<Section> = services().iter().filter_map(|service| service.section()).collect();
    Settings::load_with(file, &sections)
}

/// The description of the whole API.
#[must_use]
pub fn api_doc() -> utoipa::openapi::OpenApi {
    runtime::describe(&services())
}
