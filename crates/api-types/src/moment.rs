//! Times in requests: RFC 3339, or a date, so that people can type them.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Deserializer, de::Error};

/// Parses a time of RFC 3339, or a date, which means 00:00 UTC.
pub(crate) fn optional<'de, D: Deserializer<'de>>(input: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(input)? else { return Ok(None) };
    parse(&text).map(Some).map_err(D::Error::custom)
}

/// Parses a time of RFC 3339, or a date, which means 00:00 UTC.
///
/// # Errors
/// Says what is expected.
pub fn parse(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Ok(date.and_time(NaiveTime::MIN).and_utc());
    }
    let expected = "must be a time such as 2026-11-26T08:30:00Z, or a date such as 2026-11-26 (UTC)";
    // In a query, a plus sign that is not escaped is a space.
    match text.rsplit_once(' ').filter(|(time, offset)| DateTime::parse_from_rfc3339(&format!("{time}+{offset}")).is_ok()) {
        Some(_) => Err(format!("{expected}; write the + of its offset as %2B")),
        None => Err(expected.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_dates_are_parsed_and_an_error_names_the_expected_form() {
        let is = |text: &str| parse(text).map(|time| time.to_rfc3339());
        assert_eq!(is("2026-11-26T08:30:00-03:00").unwrap(), "2026-11-26T11:30:00+00:00");
        assert_eq!(is("2026-11-26").unwrap(), "2026-11-26T00:00:00+00:00");
        assert!(is("2026-11-26T08:30:00 02:00").unwrap_err().contains("%2B"));
        for wrong in ["", "2026-02-30", "26/11/2026", "2026-11-26T08:30:00", "yesterday", "2026-11-26 08:30", "1764144000"] {
            let error = is(wrong).unwrap_err();
            assert!(error.starts_with("must be a time such as") && !error.contains("%2B"), "{wrong}: {error}");
        }
    }
}
