//! Queue and event contracts.
//!
//! The types are generated from `proto/job.proto`; their wire form is JSON with the field names of the proto file, so that a robot in any
//! language can read them. Does not depend on the broker that carries them.
//!
//! ```
//! let message: messages::JobMessage = serde_json::from_str(
//!     r#"{"job_id":"0190a1de-0000-7000-8000-000000000000","automation_id":1,"script_path":"main.py","parameters":{"n":1}}"#,
//! )?;
//! assert_eq!(message.parameters.unwrap_or_default().0["n"], 1);
//! # Ok::<(), serde_json::Error>(())
//! ```

mod json_object;

pub use generated::{EventBatch, JobEvent, JobMessage, WorkerControl, worker_control};
pub use json_object::JsonObject;

#[expect(missing_docs, clippy::allow_attributes, clippy::allow_attributes_without_reason, reason = "generated; documented in proto/")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/regente.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/regente.v1.serde.rs"));
}
