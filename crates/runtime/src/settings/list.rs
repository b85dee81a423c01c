//! Lists in settings: an array, or one text with commas between, which is how the environment has them.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};

#[derive(Deserialize)]
#[serde(untagged)]
enum List {
    Items(Vec<String>),
    Text(String),
}

/// Texts, none of them empty.
pub(super) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let items = match List::deserialize(deserializer)? {
        List::Items(items) => items,
        List::Text(text) => text.split(',').map(str::to_owned).collect(),
    };
    Ok(items.iter().map(|item| item.trim()).filter(|item| !item.is_empty()).map(str::to_owned).collect())
}

/// Tables: an array of them, or one text with such an array as JSON.
pub(super) fn items<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Tables {
        Items(Vec<serde_json::Value>),
        Text(String),
    }
    let items = match Tables::deserialize(deserializer)? {
        Tables::Items(items) => items,
        Tables::Text(text) if text.trim().is_empty() => Vec::new(),
        Tables::Text(text) => serde_json::from_str(&text).map_err(|error| D::Error::custom(format!("is no array of JSON: {error}")))?,
    };
    let item = |(value, nth): (serde_json::Value, usize)| {
        serde_json::from_value(value).map_err(|error| D::Error::custom(format!("item {nth}: {error}")))
    };
    items.into_iter().zip(1..).map(item).collect()
}

/// Networks in CIDR notation, or single addresses; for `deserialize_with`.
///
/// # Errors
/// What is none.
pub fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let network = |text: &String| {
        let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        parsed.map_err(|_| D::Error::custom(format!("\"{text}\" is no address and no network such as 10.0.0.0/8")))
    };
    texts(deserializer)?.iter().map(network).collect()
}
