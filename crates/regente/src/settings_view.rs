//! The settings for people: without secrets.

use runtime::Settings;

/// The settings in force, one a line, secrets masked.
pub(crate) fn view(settings: &Settings) -> String {
    // `Debug` of the secrets prints none of them.
    format!("{settings:#?}")
}
