//! Times and hours.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{AnyOfBuilder, KnownFormat, ObjectBuilder, SchemaFormat, Type},
    },
};

use super::text::text;

/// Hours of a day.
pub(crate) struct HourRange;

impl PartialSchema for HourRange {
    fn schema() -> RefOr<Schema> {
        let pattern = r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?-(([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?|24:00)$";
        text(None, 17, pattern, "Hours such as `08:00-12:00`, which end before their last second; `24:00` is the end of the day.").into()
    }
}

impl ToSchema for HourRange {}

/// A time, or a date.
pub(crate) struct Moment;

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        let of = |format: KnownFormat| ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(format)));
        let description = "A time in RFC 3339, or a date, which means 00:00 UTC.";
        AnyOfBuilder::new().item(of(KnownFormat::DateTime)).item(of(KnownFormat::Date)).description(Some(description)).into()
    }
}

impl ToSchema for Moment {}

/// A time of day.
pub(crate) struct TimeOfDay;

impl PartialSchema for TimeOfDay {
    fn schema() -> RefOr<Schema> {
        let time = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"));
        time.description(Some("A time of day, `HH:MM` or `HH:MM:SS`.")).into()
    }
}

impl ToSchema for TimeOfDay {}

#[cfg(test)]
mod tests {
    use super::{super::takes, *};

    #[test]
    fn times_of_day_are_those_of_the_rule() {
        let read = |text: &str| domain::schedule::input::window(Some(text), Some(text)).is_ok();
        for time in ["07:30", "23:59:59", "00:00", "", "24:00", "23:60", "12:00:60", "07:30 ", "07:30:00.5"] {
            assert_eq!(takes::<TimeOfDay>(time), read(time), "{time}");
        }
    }

    #[test]
    fn hours_are_those_of_their_rule() {
        for range in ["08:00-12:00", "08:00:30-24:00", "8h-9h", "24:00-25:00", "08:60-09:00", "08:00", "", "08:00-12:00:61"] {
            assert_eq!(takes::<HourRange>(range), domain::calendar::Hours::parse(&[range]).is_ok(), "{range:?}");
        }
    }
}
