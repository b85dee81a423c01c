//! The API description: those of the services and of the routes that every process has, completed with what all operations have in common,
//! so that no handler must repeat it.

use actix_web::http::Method;
use utoipa::openapi::{
    Components, Content, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema,
    content::ContentBuilder,
    path::{Operation, Parameter, ParameterIn, PathItem},
    request_body::RequestBody,
    schema::{AdditionalProperties, ArrayItems, SchemaType, Type},
    security::SecurityRequirement,
};

use super::{app, health, metrics, ops};
use crate::Service;

const PROBLEM: &str = "application/problem+json";
const PROBLEM_SCHEMA: &str = "#/components/schemas/Problem";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Regente", description = "Orchestrates RPA robots."),
    paths(health::health, health::live, health::ready, metrics::metrics, ops::reconcilers, ops::tasks, app::describe),
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
        components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key"))));
        components.add_security_scheme("worker_key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Worker-API-Key"))));
    }
}

/// The API description of a process that runs `services`.
#[must_use]
pub fn describe(services: &[Box<dyn Service>]) -> OpenApi {
    of(services.iter().map(|service| service.describe()))
}

/// The description of the routes of every process and of these.
pub(super) fn of(descriptions: impl Iterator<Item = OpenApi>) -> OpenApi {
    let common = <Common as utoipa::OpenApi>::openapi();
    complete(descriptions.fold(common, OpenApi::merge_from))
}

/// A route of a description.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its method.
    pub method: Method,
    /// The pattern of its path: `/api/v1/jobs/{id}`.
    pub path: String,
    /// Whether it asks nobody who they are.
    pub is_open: bool,
}

/// The routes of a description.
pub(crate) fn routes(doc: &OpenApi) -> Vec<Route> {
    let of_path = |(path, item): (&String, &PathItem)| {
        let operations = [
            (Method::DELETE, &item.delete),
            (Method::GET, &item.get),
            (Method::POST, &item.post),
            (Method::PUT, &item.put),
            (Method::PATCH, &item.patch),
        ];
        let route = |(method, operation): (Method, &Option<Operation>)| {
            let is_open = credentials(operation.as_ref()?.tags.iter().flatten().next().map_or("", String::as_str)).is_none();
            Some(Route { method, path: path.clone(), is_open })
        };
        operations.into_iter().filter_map(route).collect::<Vec<_>>()
    };
    doc.paths.paths.iter().flat_map(of_path).collect()
}

/// Completes each operation by its kind.
fn complete(mut doc: OpenApi) -> OpenApi {
    let shared = api_types::params::shared();
    for (path, item) in &mut doc.paths.paths {
        for operation in operations(item) {
            let tag = operation.tags.iter().flatten().next().cloned().unwrap_or_default();
            name(operation, &tag);
            add_credentials(operation, &tag);
            add_refusals(operation, path, &tag);
            for content in operation.request_body.iter_mut().flat_map(contents) {
                content.schema.iter_mut().for_each(fit_generators);
            }
            for (status, response) in &mut operation.responses.responses {
                complete_response(status, response);
            }
            if let Some(parameters) = &mut operation.parameters {
                keep_described(parameters);
                parameters.iter_mut().for_each(|parameter| share(parameter, &shared));
            }
        }
    }
    let components = doc.components.get_or_insert_with(Components::new);
    components.schemas.values_mut().for_each(fit_generators);
    components.parameters.extend(shared.into_iter().map(|(name, parameter)| (name.to_owned(), parameter.into())));
    doc
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

fn contents(body: &mut RefOr<RequestBody>) -> impl Iterator<Item = &mut Content> {
    let body = if let RefOr::T(body) = body { Some(body) } else { None };
    body.into_iter()
        .flat_map(|body| body.content.values_mut())
        .filter_map(|content| if let RefOr::T(content) = content { Some(content) } else { None })
}

/// States explicitly what client generators assume differently: an unspecified object may have any key, and a field with a default is
/// optional.
fn fit_generators(schema: &mut RefOr<Schema>) {
    let schema = match schema {
        RefOr::T(schema) => schema,
        RefOr::Ref(reference) => {
            reference.default = None;
            return;
        }
    };
    match schema {
        Schema::Object(object) => {
            object.default = None;
            let is_object = match &object.schema_type {
                SchemaType::Type(kind) => *kind == Type::Object,
                SchemaType::Array(kinds) => kinds.contains(&Type::Object),
                SchemaType::AnyValue => false,
            };
            if is_object && object.properties.is_empty() && object.additional_properties.is_none() {
                object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(true)));
            }
            object.properties.values_mut().for_each(fit_generators);
        }
        Schema::Array(array) => {
            array.default = None;
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                fit_generators(items);
            }
        }
        Schema::OneOf(choice) => choice.items.iter_mut().for_each(fit_generators),
        Schema::AnyOf(choice) => choice.items.iter_mut().for_each(fit_generators),
        Schema::AllOf(parts) => parts.items.iter_mut().for_each(fit_generators),
        _ => {}
    }
}

/// Names an operation by subject and handler: `jobs_list`. Generated clients have a function of this name.
fn name(operation: &mut Operation, tag: &str) {
    operation.operation_id = operation.operation_id.take().map(|handler| format!("{}_{handler}", tag.replace(' ', "_")));
}

fn add_credentials(operation: &mut Operation, tag: &str) {
    operation.security = credentials(tag);
}

/// Any one of these; `None`: the operation is open to everybody.
fn credentials(tag: &str) -> Option<Vec<SecurityRequirement>> {
    let need = |name: &str| SecurityRequirement::new(name, Vec::<String>::new());
    match tag {
        "system" | "identity" | "webhooks" => None,
        "worker" => Some(vec![need("worker_key"), need("bearer"), need("api_key")]),
        // Only a person who signed in.
        "account" | "api keys" => Some(vec![need("bearer")]),
        _ => Some(vec![need("bearer"), need("api_key")]),
    }
}

/// Adds the refusals that follow from the operation's inputs.
fn add_refusals(operation: &mut Operation, path: &str, tag: &str) {
    let has_body = operation.request_body.is_some();
    let is_in =
        |parameter: &RefOr<Parameter>, place: &ParameterIn| matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == *place);
    // What is in a path may not fit its format, or have characters that no path may have.
    let has_form = operation.parameters.iter().flatten().any(|parameter| !is_in(parameter, &ParameterIn::Path)) || path.contains('{');
    for (status, is_possible) in [
        ("400", has_body || has_form),
        ("401", operation.security.is_some()),
        ("403", operation.security.is_some()),
        ("404", path.contains('{')),
        ("413", has_body),
        ("415", has_body),
        ("422", has_body),
        // Probes are not counted.
        ("429", !path.starts_with("/health/")),
        ("503", tag != "system"),
    ] {
        if is_possible {
            let schema = ContentBuilder::new().schema(Some(Ref::new(PROBLEM_SCHEMA))).build();
            let response = || ResponseBuilder::new().content(PROBLEM, schema).build().into();
            operation.responses.responses.entry(status.to_owned()).or_insert_with(response);
        }
    }
}

fn complete_response(status: &str, response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    if response.description.is_empty() {
        meaning(status).clone_into(&mut response.description);
    }
    // A schema cannot describe a stream.
    if let Some(RefOr::T(stream)) = response.content.get_mut("text/event-stream") {
        stream.schema = None;
    }
    // Problems have their own content type, whatever the service's description says.
    let is_problem = |content: &RefOr<Content>| match content {
        RefOr::T(content) => matches!(&content.schema, Some(RefOr::Ref(schema)) if schema.ref_location == PROBLEM_SCHEMA),
        RefOr::Ref(_) => false,
    };
    if let Some(problem) = response.content.get("application/json").filter(|content| is_problem(content)).cloned() {
        response.content.clear();
        response.content.insert(PROBLEM.to_owned(), problem);
    }
}

/// Default descriptions of statuses.
fn meaning(status: &str) -> &'static str {
    match status {
        "201" => "Created",
        "202" => "Accepted",
        "204" => "Done; the answer has no body",
        "400" => "The request cannot be parsed: `detail` says why",
        "401" => "The credential is missing or wrong",
        "403" => "The caller lacks the permission, or the worker belongs to another credential",
        "404" => "Not found",
        "409" => "The current state does not allow this: `detail` says why",
        "413" => "The body is too large",
        "415" => "The body is compressed",
        "429" => "Too many requests: see `Retry-After` and `RateLimit-Reset`",
        "422" => "A field is not valid: `errors` names it",
        "503" => "The database does not answer, or too many requests wait for it; see `Retry-After`",
        _ => "OK",
    }
}

/// Leaves out parameters that are there twice: as the operation describes them, and as they were found in its handler's signature.
fn keep_described(parameters: &mut Vec<RefOr<Parameter>>) {
    let mut seen = Vec::new();
    parameters.retain(|parameter| {
        let RefOr::T(Parameter { name, parameter_in, .. }) = parameter else { return true };
        let place = (name.clone(), parameter_in.clone());
        let is_new = !seen.contains(&place);
        seen.push(place);
        is_new
    });
}

/// Replaces a parameter that others share by a reference to its component.
fn share(parameter: &mut RefOr<Parameter>, shared: &[(&str, Parameter)]) {
    let RefOr::T(own) = parameter else { return };
    if let Some((name, _)) = shared.iter().find(|(_, one)| one == own) {
        *parameter = RefOr::Ref(Ref::new(format!("#/components/parameters/{name}")));
    }
}
