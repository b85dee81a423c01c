//! The description of the API: those of the services and of the routes of every process, with what all operations have in common.

use utoipa::openapi::{
    OpenApi, Ref, RefOr, Response, ResponseBuilder,
    content::ContentBuilder,
    path::{Operation, PathItem},
    security::SecurityRequirement,
};

use super::{app, health, ops};
use crate::Service;

const PROBLEM: &str = "application/problem+json";
const PROBLEM_SCHEMA: &str = "#/components/schemas/Problem";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Regente", description = "Orchestrates RPA robots."),
    paths(health::health, health::live, health::ready, ops::reconcilers, ops::tasks, app::describe),
    components(schemas(api_types::Problem)),
    modifiers(&SecuritySchemes),
)]
struct Common;

struct SecuritySchemes;

impl utoipa::Modify for SecuritySchemes {
    fn modify(&self, doc: &mut OpenApi) {
        use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
        let components = doc.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("worker_key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Worker-API-Key"))));
    }
}

/// The description of the API of a process that runs `services`.
#[must_use]
pub fn describe(services: &[Box<dyn Service>]) -> OpenApi {
    let common = <Common as utoipa::OpenApi>::openapi();
    complete(services.iter().map(|service| service.describe()).fold(common, OpenApi::merge_from))
}

/// Adds to each operation the refusals and credentials that go with its kind.
fn complete(mut doc: OpenApi) -> OpenApi {
    for item in doc.paths.paths.values_mut() {
        for operation in operations(item) {
            let tag = operation.tags.iter().flatten().next().cloned().unwrap_or_default();
            add_credentials(operation, &tag);
            if operation.security.is_some() {
                add_problem(operation, "403", "The caller lacks the permission for it");
            }
            if operation.request_body.is_some() {
                add_problem(operation, "413", "The body is too large");
            }
            if tag != "system" {
                add_problem(operation, "503", "The database is out of reach, or too many requests wait for it; see Retry-After");
            }
            operation.responses.responses.values_mut().for_each(tell_problem_type);
        }
    }
    doc
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

fn add_credentials(operation: &mut Operation, tag: &str) {
    let need = |name: &str| SecurityRequirement::new(name, Vec::<String>::new());
    operation.security = match tag {
        "system" | "identity" => None,
        "worker" => Some(vec![need("worker_key"), need("bearer")]),
        _ => Some(vec![need("bearer")]),
    };
}

fn add_problem(operation: &mut Operation, status: &str, description: &str) {
    let schema = ContentBuilder::new().schema(Some(Ref::new(PROBLEM_SCHEMA))).build();
    let response = || ResponseBuilder::new().description(description).content(PROBLEM, schema).build().into();
    operation.responses.responses.entry(status.to_owned()).or_insert_with(response);
}

/// A problem travels as [`PROBLEM`], whatever the service's description says.
fn tell_problem_type(response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    // A stream is no text of which a schema could speak.
    if let Some(RefOr::T(stream)) = response.content.get_mut("text/event-stream") {
        stream.schema = None;
    }
    let is_problem = |content: &RefOr<utoipa::openapi::Content>| match content {
        RefOr::T(content) => matches!(&content.schema, Some(RefOr::Ref(schema)) if schema.ref_location == PROBLEM_SCHEMA),
        RefOr::Ref(_) => false,
    };
    if let Some(problem) = response.content.get("application/json").filter(|content| is_problem(content)).cloned() {
        response.content.clear();
        response.content.insert(PROBLEM.to_owned(), problem);
    }
}
