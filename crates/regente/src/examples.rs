//! The examples, embedded in the binary.

use std::{fs, path::Path};

use anyhow::Context;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../../examples"]
#[include = "nfe-summary/*"]
#[include = "http-check/*"]
#[exclude = "*__pycache__*"]
struct Files;

/// Registrations of the examples; the demonstration runs the first.
const REGISTRATIONS: [&str; 2] = ["nfe-summary/automation.json", "http-check/automation.json"];

/// Writes the examples into the folder `examples` of `base`.
pub(crate) fn unpack(base: &Path) -> anyhow::Result<()> {
    for name in Files::iter() {
        let Some(file) = Files::get(&name) else { continue };
        let path = base.join("examples").join(name.as_ref());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        fs::write(&path, file.data).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The examples' automations.
pub(crate) fn registrations() -> anyhow::Result<Vec<api_types::AutomationCreate>> {
    let read = |name: &str| {
        let file = Files::get(name).with_context(|| format!("{name} is not in the binary"))?;
        serde_json::from_slice(&file.data).with_context(|| format!("{name} is not a registration"))
    };
    REGISTRATIONS.into_iter().map(read).collect()
}
