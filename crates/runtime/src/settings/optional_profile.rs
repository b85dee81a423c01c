//! A queue profile, or none as an empty text.

use domain::automation::QueueProfile;
use serde::{Deserialize, Deserializer, Serializer, de::Error};

#[expect(clippy::ref_option, reason = "serde calls it so")]
pub(super) fn serialize<S: Serializer>(profile: &Option<QueueProfile>, output: S) -> Result<S::Ok, S::Error> {
    output.serialize_str(profile.map_or("", QueueProfile::as_str))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<QueueProfile>, D::Error> {
    let name = String::deserialize(input)?;
    if name.is_empty() {
        return Ok(None);
    }

    name.parse().map(Some).map_err(D::Error::custom)
}
