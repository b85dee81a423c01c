//! Enums whose variants have names on the wire: in JSON, the database, metrics and the API description.
//!
//! `wire_names!` lists variants and names once and derives parsing, formatting and descriptions from that list, so that they cannot
//! diverge.

use std::{fmt, marker::PhantomData};

use serde::de::{Deserializer, Error, Visitor};

/// An enum made by `wire_names!`.
pub trait WireName: Copy + Eq + fmt::Debug + 'static {
    /// Name of the enum in the API's description.
    const NAME: &'static str;
    /// Every variant, in order.
    const VARIANTS: &'static [Self];
    /// The variant for unknown names; `None`: unknown names are refused.
    const OTHER: Option<Self> = None;

    /// The name on the wire.
    fn as_str(self) -> &'static str;

    /// Other spellings that are accepted.
    fn aliases(self) -> &'static [&'static str];

    /// Description of the variant.
    fn meaning(self) -> &'static str;

    /// Parses a name or another spelling of it.
    #[must_use]
    fn find(name: &str) -> Option<Self> {
        Self::VARIANTS.iter().copied().find(|variant| variant.as_str() == name || variant.aliases().contains(&name))
    }
}

/// A name that the enum does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{given}\" is none of {names}")]
pub struct UnknownName {
    given: String,
    names: String,
}

impl UnknownName {
    /// `given` is not a name of `among`.
    #[must_use]
    pub fn new<E: WireName>(given: &str, among: &[E]) -> Self {
        Self { given: given.to_owned(), names: names(among) }
    }
}

/// The names of `of`, separated by commas.
#[must_use]
pub fn names<E: WireName>(of: &[E]) -> String {
    of.iter().map(|variant| variant.as_str()).collect::<Vec<_>>().join(", ")
}

/// Deserializes a name; an unknown name is [`WireName::OTHER`], or an error where there is none.
pub(crate) fn deserialize<'de, E: WireName, D: Deserializer<'de>>(input: D) -> Result<E, D::Error> {
    input.deserialize_str(Name(PhantomData))
}

struct Name<E>(PhantomData<E>);

impl<E: WireName> Visitor<'_> for Name<E> {
    type Value = E;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {}", names(E::VARIANTS))
    }

    fn visit_str<Failure: Error>(self, name: &str) -> Result<E, Failure> {
        E::find(name).or(E::OTHER).ok_or_else(|| Failure::custom(UnknownName::new(name, E::VARIANTS)))
    }
}

/// Defines an enum with [`WireName`], `ALL`, `as_str`, `parse`, `FromStr`, `Display`, and serde by name.
///
/// `| "…"` after a name lists other accepted spellings; `default V;` sets the default; `other V;` the variant for unknown names in serde.
macro_rules! wire_names {
    (
        $(#[$meta:meta])*
        pub enum $Enum:ident as $name:literal {
            $($(#[doc = $doc:literal])+ $Variant:ident = $wire:literal $(| $alias:literal)*),+ $(,)?
        }
        $(default $Default:ident;)?
        $(other $Other:ident;)?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $Enum {
            $($(#[doc = $doc])+ $Variant),+
        }

        impl $Enum {
            /// Every variant, in order.
            pub const ALL: [Self; [$($wire),+].len()] = [$(Self::$Variant),+];

            /// The name on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Variant => $wire),+
                }
            }

            /// Parses the name on the wire.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                <Self as $crate::wire::WireName>::find(name)
            }
        }

        impl $crate::wire::WireName for $Enum {
            const NAME: &'static str = $name;
            const VARIANTS: &'static [Self] = &Self::ALL;
            $(const OTHER: Option<Self> = Some(Self::$Other);)?

            fn as_str(self) -> &'static str {
                self.as_str()
            }

            fn aliases(self) -> &'static [&'static str] {
                match self {
                    $(Self::$Variant => &[$($alias),*]),+
                }
            }

            fn meaning(self) -> &'static str {
                match self {
                    $(Self::$Variant => concat!($($doc),+)),+
                }
            }
        }

        impl std::str::FromStr for $Enum {
            type Err = $crate::wire::UnknownName;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                Self::parse(name).ok_or_else(|| $crate::wire::UnknownName::new(name, &Self::ALL))
            }
        }

        impl std::fmt::Display for $Enum {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $Enum {
            fn serialize<S: serde::Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
                output.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $Enum {
            fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                $crate::wire::deserialize(input)
            }
        }

        $(
            impl Default for $Enum {
                fn default() -> Self {
                    Self::$Default
                }
            }
        )?
    };
}
pub(crate) use wire_names;

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;
    use crate::{
        alert::{AlertEventKind, AlertSource, AlertStatus, AlertType, Resolution, Severity, Unit, heard::Firing},
        automation::{EntrypointType, QueueProfile},
        calendar::{DayChanged, DayReason, HolidaySet, OnBlackout, import},
        health,
        job::{ErrorClass, Status, Trigger},
        log::Level,
        notification::{
            ChannelKind, NoticeKind,
            channel::{SmtpSecurity, Weekday},
        },
        permission::{Permission, Role},
        policy::{OnWorkerLost, Overlap, PauseScope},
        report::Period,
        retry::Backoff,
        schedule::{FireState, MisfirePolicy, ScheduleState, SkipReason, StateReason, words::Language},
        sla::Standing,
        waiting::WaitingCode,
        worker::State,
    };

    fn is_read_and_written_by_name<E: WireName + serde::Serialize + serde::de::DeserializeOwned + std::str::FromStr>() {
        let mut seen = std::collections::BTreeSet::new();
        for variant in E::VARIANTS.iter().copied() {
            assert!(seen.insert(variant.as_str()), "{variant:?} shares its name");
            assert!(variant.meaning().trim().ends_with(['.', ';']), "{variant:?}: {}", variant.meaning());
            assert_eq!(json!(variant), json!(variant.as_str()));
            for name in [variant.as_str()].iter().chain(variant.aliases()) {
                assert_eq!((E::find(name), from_value(json!(name)).ok(), name.parse().ok()), (Some(variant), Some(variant), Some(variant)));
            }
        }
        let unknown = from_value::<E>(json!("no such name"));
        assert_eq!(unknown.as_ref().ok().copied(), E::OTHER);
        for wrong in [json!(5), json!({Status::Failed.as_str(): null}), json!(null), json!(["failed"])] {
            assert!(from_value::<E>(wrong.clone()).is_err(), "{wrong} is no name");
        }
        assert!("no such name".parse::<E>().is_err());
    }

    #[test]
    fn every_enum_is_read_and_written_by_its_names() {
        is_read_and_written_by_name::<Status>();
        is_read_and_written_by_name::<Trigger>();
        is_read_and_written_by_name::<ErrorClass>();
        is_read_and_written_by_name::<Level>();
        is_read_and_written_by_name::<EntrypointType>();
        is_read_and_written_by_name::<QueueProfile>();
        is_read_and_written_by_name::<Overlap>();
        is_read_and_written_by_name::<OnWorkerLost>();
        is_read_and_written_by_name::<PauseScope>();
        is_read_and_written_by_name::<Backoff>();
        is_read_and_written_by_name::<State>();
        is_read_and_written_by_name::<Permission>();
        is_read_and_written_by_name::<Role>();
        is_read_and_written_by_name::<WaitingCode>();
        is_read_and_written_by_name::<MisfirePolicy>();
        is_read_and_written_by_name::<SkipReason>();
        is_read_and_written_by_name::<FireState>();
        is_read_and_written_by_name::<ScheduleState>();
        is_read_and_written_by_name::<StateReason>();
        is_read_and_written_by_name::<Language>();
        is_read_and_written_by_name::<HolidaySet>();
        is_read_and_written_by_name::<OnBlackout>();
        is_read_and_written_by_name::<DayReason>();
        is_read_and_written_by_name::<DayChanged>();
        is_read_and_written_by_name::<import::Format>();
        is_read_and_written_by_name::<import::Mode>();
        is_read_and_written_by_name::<AlertType>();
        is_read_and_written_by_name::<crate::duration::Sensitivity>();
        is_read_and_written_by_name::<Severity>();
        is_read_and_written_by_name::<AlertEventKind>();
        is_read_and_written_by_name::<Firing>();
        is_read_and_written_by_name::<AlertStatus>();
        is_read_and_written_by_name::<AlertSource>();
        is_read_and_written_by_name::<Resolution>();
        is_read_and_written_by_name::<Unit>();
        is_read_and_written_by_name::<Standing>();
        is_read_and_written_by_name::<ChannelKind>();
        is_read_and_written_by_name::<NoticeKind>();
        is_read_and_written_by_name::<SmtpSecurity>();
        is_read_and_written_by_name::<Weekday>();
        is_read_and_written_by_name::<Period>();
        is_read_and_written_by_name::<health::Status>();
        is_read_and_written_by_name::<health::Database>();
        is_read_and_written_by_name::<health::Broker>();
        is_read_and_written_by_name::<health::TaskState>();
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        assert_eq!("dead".parse::<State>().unwrap_err().to_string(), "\"dead\" is none of running, paused, stopped, lost");
        assert_eq!(from_value::<Overlap>(json!("none")).unwrap_err().to_string(), "\"none\" is none of queue, skip, replace, coalesce");
    }
}
