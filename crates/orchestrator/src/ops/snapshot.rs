use std::{sync::Arc, time::Instant};

use api_types::OpsStatus;
use tokio::sync::Mutex;

/// The last answer, and when it was read.
pub(crate) type Snapshot = Arc<Mutex<Option<(Instant, OpsStatus)>>>;
