//! The list of services. A new service is one line here.

use runtime::{Elsewhere, Section, Service, Services, Settings, SettingsError};

/// Every service. Routes are matched in this order, so the busiest service, which has the jobs, is first.
#[must_use]
pub fn services() -> Vec<Box<dyn Service>> {
    vec![Box::new(orchestrator::Service), Box::new(api_gateway::Service), Box::new(scheduler::Service), Box::new(sla_monitor::Service)]
}

/// The services of the release that are not in `mounted`, and that the settings say where to find.
pub(crate) fn elsewhere(mounted: &[Box<dyn Service>], addresses: &Services) -> Vec<Elsewhere> {
    let others = services().into_iter().filter(|service| mounted.iter().all(|one| one.name() != service.name()));
    let others = others.map(|service| Elsewhere {
        name: service.name(),
        description: service.describe(),
        addresses: addresses.addresses(service.name()).to_vec(),
    });
    others.filter(|service| !service.addresses.is_empty()).collect()
}

/// Reads the settings with the sections of all services: `file` if given, else `regente.toml` if it exists.
///
/// # Errors
/// Every fault, each with its key.
pub fn load_settings(file: Option<&str>) -> Result<Settings, SettingsError> {
    let sections: Vec<Section> = services().iter().filter_map(|service| service.section()).collect();
    Settings::load_with(file, &sections)
}

/// The complete API description.
#[must_use]
pub fn api_doc() -> utoipa::openapi::OpenApi {
    runtime::describe(&services())
}
