//! What a body may be: JSON or a form, in UTF-8.

/// Most bytes of a body.
pub const MAX_BODY: usize = 1 << 20;

/// How a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As JSON.
    Json,
    /// As the fields of a form.
    Form,
    /// There is none: an empty object.
    Empty,
}

/// How the body of a request with this `Content-Type` is read.
///
/// # Errors
/// What is wrong with the type, as a sentence.
pub fn format(content_type: Option<&str>, is_empty: bool) -> Result<Format, String> {
    let Some(content_type) = content_type.map(str::trim).filter(|text| !text.is_empty()) else {
        return if is_empty { Ok(Format::Empty) } else { Err(wrong("has no Content-Type")) };
    };
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let charset = parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    if let Some((_, charset)) = charset
        && !matches!(charset.trim().trim_matches('"').to_ascii_lowercase().as_str(), "utf-8" | "utf8" | "us-ascii")
    {
        return Err(format!("the body's charset is {charset}; send UTF-8"));
    }
    match essence.split_once('/') {
        Some(("application" | "text", "json")) => Ok(Format::Json),
        Some(("application", subtype)) if subtype.ends_with("+json") => Ok(Format::Json),
        Some(("application", "x-www-form-urlencoded")) if is_empty => Ok(Format::Empty),
        Some(("application", "x-www-form-urlencoded")) => Ok(Format::Form),
        _ => Err(wrong(&format!("is {}", essence.chars().take(100).collect::<String>()))),
    }
}

fn wrong(what: &str) -> String {
    format!("the body {what}; send application/json or application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_forms_are_read_and_nothing_else() {
        for (content_type, expected) in [
            (Some("application/json"), Format::Json),
            (Some("Application/JSON; charset=UTF-8"), Format::Json),
            (Some("application/json;charset=\"utf-8\""), Format::Json),
            (Some("application/cloudevents+json"), Format::Json),
            (Some("application/x-www-form-urlencoded"), Format::Form),
        ] {
            assert_eq!(format(content_type, false), Ok(expected), "{content_type:?}");
        }
        for (content_type, hint) in [
            (None, "no Content-Type"),
            (Some("  "), "no Content-Type"),
            (Some("text/plain"), "text/plain"),
            (Some("multipart/form-data; boundary=x"), "multipart/form-data"),
            (Some("application/json; charset=iso-8859-1"), "UTF-8"),
            (Some("json"), "is json"),
        ] {
            assert!(format(content_type, false).unwrap_err().contains(hint), "{content_type:?}");
        }
        assert_eq!((format(None, true), format(Some("application/x-www-form-urlencoded"), true)), (Ok(Format::Empty), Ok(Format::Empty)));
        assert_eq!(format(Some("application/json"), true), Ok(Format::Json), "the parser says that it is none");
    }
}
