//! Pages of lists: their sizes and the `Link` to the next one.

use actix_web::{HttpResponse, HttpResponseBuilder, http::header};
use domain::Fault;

use crate::Failure;

/// The requested page size, within `1..=most`.
///
/// # Errors
/// [`Failure::BadQuery`] that names the parameter.
pub fn page_size(asked: Option<u32>, usual: u32, most: u32) -> Result<u32, Failure> {
    let limit = asked.unwrap_or(usual);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(Failure::BadQuery(vec![Fault::new("limit", format!("must be 1 to {most}"))]))
}

/// An answer with a page of a list, and the `Link` to the next page if there may be one.
pub fn page(path: &str, query: &str, next: Option<String>) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    if let Some(after) = next {
        let rest = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("after="));
        let query = rest.map(str::to_owned).chain([format!("after={after}")]).collect::<Vec<_>>().join("&");
        response.insert_header((header::LINK, format!("<{path}?{query}>; rel=\"next\"")));
    }
    response
}
