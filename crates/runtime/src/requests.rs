//! Metrics of requests: how many were answered how, how long that took by route, and how many are under way.
//!
//! What it must hold: no path that a client made up becomes a label, and a request whose route was asked before costs no lock and one small allocation
//! (the template, which actix writes).

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Instant,
};

use actix_web::{
    HttpRequest,
    http::{Method, StatusCode},
};
use telemetry::metrics::{Counter, Family, Gauge, Group, Histogram, Metrics, OTHER, catalog};

/// The route of requests that have none.
const UNMATCHED: &str = "unmatched";

/// The routes of a service: its name, and the templates of their paths.
pub(crate) type ServiceRoutes = (&'static str, Vec<String>);

/// App data: the metrics of requests. Clones share them.
#[derive(Clone)]
pub(crate) struct Requests(Arc<Inner>);

struct Inner {
    durations: Family<Histogram>,
    in_flight: Gauge,
    routes: HashMap<String, Route>,
    unmatched: Route,
}

struct Route {
    template: String,
    service: &'static str,
    answers: Arc<Group<Counter>>,
    /// One for each of [`catalog::METHODS`], and one for all other methods.
    durations: Box<[OnceLock<Histogram>]>,
}

/// A request that is under way, until the end of its answer.
pub(crate) struct UnderWay(Gauge);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Marks a request that was refused before a route was looked for.
pub(crate) struct NotRouted;

impl Requests {
    /// Those of a process with these services and their routes. What belongs to none of them is the only service's, or the `hub`'s.
    pub(crate) fn new(metrics: &Metrics, services: &[ServiceRoutes]) -> Self {
        let (answers, durations) = (metrics.family(&catalog::HTTP_REQUESTS), metrics.family(&catalog::HTTP_DURATION));
        let process = if let [(name, _)] = services { *name } else { "hub" };
        let route = |template: &str, service: &'static str| Route {
            template: template.to_owned(),
            service,
            answers: answers.group(&[service]),
            durations: catalog::METHODS.iter().map(|_| OnceLock::new()).chain([OnceLock::new()]).collect(),
        };
        let of_service = |(service, templates): &ServiceRoutes| {
            // One without routes is served as zero, too.
            let _zeros = answers.group(&[*service]);
            templates.iter().map(|template| (template.clone(), route(template, service))).collect::<Vec<_>>()
        };
        // The first service with a path serves it.
        let routes = services.iter().rev().flat_map(of_service).collect();
        let (unmatched, in_flight) = (route(UNMATCHED, process), metrics.family(&catalog::HTTP_IN_FLIGHT).only());
        Self(Arc::new(Inner { durations, in_flight, routes, unmatched }))
    }

    /// Counts a request as under way.
    pub(crate) fn begin(&self) -> UnderWay {
        self.0.in_flight.inc();
        UnderWay(self.0.in_flight.clone())
    }

    /// Counts an answer. `template` is that of the request's route.
    pub(crate) fn answered(&self, method: &Method, template: Option<&str>, status: StatusCode, begun: Instant) {
        let Inner { durations, routes, unmatched, .. } = &*self.0;
        let route = template.and_then(|template| routes.get(template)).unwrap_or(unmatched);
        route.answers.of(&[method.as_str(), status.as_str()]).inc();
        let place = catalog::METHODS.iter().position(|known| *known == method.as_str());
        let Some(cell) = route.durations.get(place.unwrap_or(catalog::METHODS.len())) else { return };
        let name = place.and_then(|place| catalog::METHODS.get(place)).copied().unwrap_or(OTHER);
        cell.get_or_init(|| durations.of(&[name, &route.template, route.service])).observe(begun.elapsed().as_secs_f64());
    }
}

/// The template of a request's route, after it was served.
pub(crate) fn template(request: &HttpRequest) -> Option<String> {
    use actix_web::HttpMessage as _;
    if request.extensions().contains::<NotRouted>() { None } else { request.match_pattern() }
}

#[cfg(test)]
mod tests {
    use telemetry::metrics::Format;

    use super::*;

    fn lines(metrics: &Metrics, start: &str) -> Vec<String> {
        metrics.text(Format::Classic).lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
    }

    #[test]
    fn answers_count_by_service_and_route_and_no_path_is_a_label() {
        let metrics = Metrics::default();
        let of = |name, path: &str| (name, vec![path.to_owned()]);
        let requests = Requests::new(&metrics, &[of("scheduler", "/api/v1/schedules/{id}"), of("orchestrator", "/api/v1/jobs")]);
        let zeros = lines(&metrics, "http_requests_total");
        let expected = 3 * catalog::METHODS.len() * catalog::HTTP_STATUSES.len();
        assert_eq!(zeros.iter().filter(|line| line.ends_with(" 0")).count(), expected, "each status of each service is there at once");
        let begun = Instant::now();
        requests.answered(&Method::GET, Some("/api/v1/schedules/{id}"), StatusCode::OK, begun);
        requests.answered(&Method::TRACE, Some("/api/v1/jobs"), StatusCode::IM_A_TEAPOT, begun);
        for path in ["/made-up/1", "/made-up/2"] {
            requests.answered(&Method::GET, Some(path), StatusCode::NOT_FOUND, begun);
        }
        let counted: Vec<_> = lines(&metrics, "http_requests_total").into_iter().filter(|line| !line.ends_with(" 0")).collect();
        assert_eq!(
            counted,
            [
                r#"http_requests_total{method="GET",status="404",service="hub"} 2"#,
                r#"http_requests_total{method="other",status="other",service="orchestrator"} 1"#,
                r#"http_requests_total{method="GET",status="200",service="scheduler"} 1"#,
            ]
        );
        let durations = lines(&metrics, "http_request_duration_seconds_count");
        assert_eq!(
            durations,
            [
                r#"http_request_duration_seconds_count{method="GET",route="/api/v1/schedules/{id}",service="scheduler"} 1"#,
                r#"http_request_duration_seconds_count{method="GET",route="unmatched",service="hub"} 2"#,
                r#"http_request_duration_seconds_count{method="other",route="/api/v1/jobs",service="orchestrator"} 1"#,
            ]
        );
    }

    #[test]
    fn a_request_is_under_way_until_its_end() {
        let metrics = Metrics::default();
        let requests = Requests::new(&metrics, &[("scheduler", Vec::new())]);
        let (one, other) = (requests.begin(), requests.begin());
        assert_eq!(lines(&metrics, "http_requests_in_flight"), ["http_requests_in_flight 2.0"]);
        drop((one, other));
        assert_eq!(lines(&metrics, "http_requests_in_flight"), ["http_requests_in_flight 0.0"]);
    }
}
