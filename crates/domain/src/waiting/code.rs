use super::WaitingReason;
use crate::wire::wire_names;

wire_names! {
    /// What keeps a job from starting, for programs.
    pub enum WaitingCode as "WaitingCode" {
        /// It is another attempt, and its delay is not over.
        RetryDue = "retry_due",
        /// Workers tried to start it with a key that is missing or wrong.
        WorkerKeyRefused = "worker_key_refused",
        /// Its message was delivered several times and it never started; it waits until somebody resumes or cancels it.
        NeverStarted = "never_started",
        /// It was requested for a later time.
        NotBefore = "not_before",
        /// Its queue is paused.
        QueuePaused = "queue_paused",
        /// Its automation is paused.
        AutomationPaused = "automation_paused",
        /// The automation's concurrency limit is reached.
        ConcurrencyLimit = "concurrency_limit",
        /// The limit of its concurrency key is reached.
        ConcurrencyKeyLimit = "concurrency_key_limit",
        /// The concurrency limit of its schedule is reached.
        ScheduleConcurrencyLimit = "schedule_concurrency_limit",
        /// The automation's rate limit allows no start yet.
        RateLimit = "rate_limit",
        /// The workers of its queue take messages, and the broker is unreachable.
        BrokerUnreachable = "broker_unreachable",
        /// Nobody has declared its queue at the broker.
        QueueNotDeclared = "queue_not_declared",
        /// No live worker takes jobs of its queue.
        NoLiveWorker = "no_live_worker",
        /// No live worker of its queue has the labels that it requires.
        NoWorkerWithLabels = "no_worker_with_labels",
        /// The workers that could take it are paused.
        WorkerPaused = "worker_paused",
        /// The workers that could take it are busy.
        AllSlotsBusy = "all_slots_busy",
        /// Its message is with the broker.
        OnTheWay = "on_the_way",
        /// Other jobs go first.
        Behind = "behind",
    }
}

impl WaitingReason {
    /// The reason without its facts.
    #[must_use]
    pub const fn code(&self) -> WaitingCode {
        match self {
            Self::RetryDue { .. } => WaitingCode::RetryDue,
            Self::WorkerKeyRefused { .. } => WaitingCode::WorkerKeyRefused,
            Self::NeverStarted { .. } => WaitingCode::NeverStarted,
            Self::NotBefore { .. } => WaitingCode::NotBefore,
            Self::QueuePaused { .. } => WaitingCode::QueuePaused,
            Self::AutomationPaused { .. } => WaitingCode::AutomationPaused,
            Self::ConcurrencyLimit { .. } => WaitingCode::ConcurrencyLimit,
            Self::ConcurrencyKeyLimit { .. } => WaitingCode::ConcurrencyKeyLimit,
            Self::ScheduleConcurrencyLimit { .. } => WaitingCode::ScheduleConcurrencyLimit,
            Self::RateLimit { .. } => WaitingCode::RateLimit,
            Self::BrokerUnreachable => WaitingCode::BrokerUnreachable,
            Self::QueueNotDeclared { .. } => WaitingCode::QueueNotDeclared,
            Self::NoLiveWorker { .. } => WaitingCode::NoLiveWorker,
            Self::NoWorkerWithLabels { .. } => WaitingCode::NoWorkerWithLabels,
            Self::WorkerPaused { .. } => WaitingCode::WorkerPaused,
            Self::AllSlotsBusy { .. } => WaitingCode::AllSlotsBusy,
            Self::OnTheWay => WaitingCode::OnTheWay,
            Self::Behind { .. } => WaitingCode::Behind,
        }
    }
}
