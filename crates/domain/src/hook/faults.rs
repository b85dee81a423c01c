//! What is wrong with a hook, before it is saved.

use super::{Dedup, Encoding, Filter, Mapped, Rules, Scheme, Signature};
use serde_json::Value;

use crate::{
    Fault,
    condition::pointer_fault,
    json::{nul_path, unkept},
};

/// Most parameters that are mapped.
const MAX_MAPPED: usize = 100;
/// Most conditions.
const MAX_FILTERS: usize = 20;
/// Most places of the body that make a key together.
const MAX_POINTERS: usize = 8;
/// Longest name of a parameter, in bytes.
const MAX_PARAMETER: usize = 255;
/// Longest name of a header.
const MAX_HEADER: usize = 100;
/// Longest prefix of a signature.
const MAX_PREFIX: usize = 50;

/// Headers that carry credentials: what they hold never becomes a parameter, or a part of a kept delivery.
const CREDENTIALS: [&str; 8] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
    "x-worker-api-key",
    "x-gitlab-token",
    "x-hub-signature",
    "x-hub-signature-256",
];

impl Rules {
    /// Every fault. `signature` is the hook's, whose header cannot be used for anything else.
    #[must_use]
    pub fn faults(&self, signature: &Signature) -> Vec<Fault> {
        let mut faults = Vec::new();
        faults.extend(unkept(&self.parameters).into_iter().map(|fault| fault.under("parameters")));
        if self.mapping.len() > MAX_MAPPED {
            faults.push(Fault::new("mapping", format!("must have at most {MAX_MAPPED} parameters")));
        }
        for (name, mapped) in &self.mapping {
            faults.extend(mapped_faults(name, mapped, signature).into_iter().map(|fault| fault.under(&format!("mapping/{name}"))));
        }
        if self.filter.len() > MAX_FILTERS {
            faults.push(Fault::new("filter", format!("must have at most {MAX_FILTERS} conditions")));
        }
        for (nth, filter) in self.filter.iter().enumerate() {
            faults.extend(filter_faults(filter, signature).into_iter().map(|fault| fault.under(&format!("filter/{nth}"))));
        }
        faults.extend(dedup_faults(&self.dedup, signature).into_iter().map(|fault| fault.under("dedup")));
        faults
    }
}

impl Signature {
    /// Every fault.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let (takes_header, takes_form) = (matches!(self.scheme, Scheme::Bearer | Scheme::Hmac), self.scheme == Scheme::Hmac);
        match &self.header {
            Some(_) if !takes_header => faults.push(Fault::new("header", "is for the schemes bearer and hmac; this one has its own")),
            Some(name) if !is_header(name) => faults.push(Fault::new("header", header_rule())),
            None if self.scheme == Scheme::Hmac => faults.push(Fault::new("header", "is required: the header with the signature")),
            _ => {}
        }
        if self.encoding.is_some() && !takes_form {
            faults.push(Fault::new("encoding", "is for the scheme hmac; this one has its own"));
        }
        if let Some(prefix) = &self.prefix {
            if !takes_form {
                faults.push(Fault::new("prefix", "is for the scheme hmac; this one has its own"));
            } else if prefix.len() > MAX_PREFIX || !prefix.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
                faults.push(Fault::new("prefix", format!("must be at most {MAX_PREFIX} visible ASCII characters")));
            }
        }
        faults
    }

    /// How the signature is written.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding.unwrap_or_default()
    }
}

fn mapped_faults(name: &str, mapped: &Mapped, signature: &Signature) -> Vec<Fault> {
    let mut faults = source_faults(mapped.pointer.as_deref(), mapped.header.as_deref(), signature);
    if name.is_empty() || name.len() > MAX_PARAMETER || name.contains('\0') {
        faults.push(Fault::new("", format!("the name of a parameter must have 1 to {MAX_PARAMETER} bytes and no NUL character")));
    }
    if mapped.required && mapped.default.is_some() {
        faults.push(Fault::new("default", "must be absent where the parameter is required"));
    }
    faults.extend(nul_fault("default", mapped.default.as_ref()));
    faults
}

/// JSON that the database cannot store.
fn nul_fault(field: &str, value: Option<&Value>) -> Option<Fault> {
    let path = value.and_then(nul_path)?;
    Some(Fault::new(path, "must not contain NUL characters").under(field))
}

fn filter_faults(filter: &Filter, signature: &Signature) -> Vec<Fault> {
    let mut faults = source_faults(filter.pointer.as_deref(), filter.header.as_deref(), signature);
    faults.extend(filter.operator.fault(filter.value.as_ref()).or_else(|| nul_fault("value", filter.value.as_ref())));
    faults
}

fn dedup_faults(dedup: &Dedup, signature: &Signature) -> Vec<Fault> {
    let mut faults = Vec::new();
    if dedup.header.is_some() && !dedup.pointers.is_empty() {
        faults.push(Fault::new("pointers", "must be absent where there is a header"));
    }
    if dedup.pointers.len() > MAX_POINTERS {
        faults.push(Fault::new("pointers", format!("must have at most {MAX_POINTERS} pointers")));
    }
    faults.extend(dedup.header.as_deref().and_then(|name| header_fault(name, signature)));
    for (nth, pointer) in dedup.pointers.iter().enumerate() {
        faults.extend(pointer_fault(pointer).map(|message| Fault::new(format!("pointers/{nth}"), message)));
    }
    faults
}

fn source_faults(pointer: Option<&str>, header: Option<&str>, signature: &Signature) -> Vec<Fault> {
    match (pointer, header) {
        (Some(pointer), None) => pointer_fault(pointer).map(|message| Fault::new("pointer", message)).into_iter().collect(),
        (None, Some(header)) => header_fault(header, signature).into_iter().collect(),
        (None, None) => vec![Fault::new("pointer", "is required, or header")],
        (Some(_), Some(_)) => vec![Fault::new("header", "must be absent where there is a pointer")],
    }
}

fn header_fault(name: &str, signature: &Signature) -> Option<Fault> {
    if !is_header(name) {
        return Some(Fault::new("header", header_rule()));
    }
    let name = name.to_ascii_lowercase();
    let is_secret = CREDENTIALS.contains(&name.as_str()) || signature.header().is_some_and(|proof| proof == name);
    is_secret.then(|| Fault::new("header", "carries a credential, which is not kept; take another header"))
}

fn header_rule() -> String {
    format!("must be the name of a header: 1 to {MAX_HEADER} letters, digits, `-` and `_`")
}

fn is_header(name: &str) -> bool {
    (1..=MAX_HEADER).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
