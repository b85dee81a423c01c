use std::fmt;

/// Kinds of faults. Where the services are processes of their own, a hub is an orchestrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// One hub: kill -9, then restarted.
    KillHub,
    /// One hub is stopped in order (TERM), then restarted.
    DrainHub,
    /// Both hubs at once: kill -9, then restarted.
    KillBothHubs,
    /// One hub is suspended for longer than a lease, then resumes.
    StopHub,
    /// Both hubs at once are suspended for longer than a lease, as on a suspended host.
    StopBothHubs,
    /// The clock of one hub steps 45 s ahead, and later back.
    ClockAhead,
    /// The clock of one hub steps 10 min back, and later ahead again.
    ClockBehind,
    /// The disk with PostgreSQL's data is full for a while.
    FillDatabase,
    /// The disk with the SQLite file of a hub is full for a while; in a separate run.
    FillHub,
    /// One gateway: kill -9, then restarted.
    KillGateway,
    /// One gateway is suspended for longer than a lease, then resumes.
    StopGateway,
    /// Both gateways at once: kill -9, then restarted.
    KillBothGateways,
    /// Gateways, schedulers and orchestrators are stopped in order (TERM) and restarted, one after the other, while a client works.
    RestartInTurn,
    /// One scheduler: kill -9, then restarted.
    KillScheduler,
    /// One scheduler is stopped in order (TERM), then restarted.
    DrainScheduler,
    /// Both schedulers at once: kill -9, then restarted.
    KillBothSchedulers,
    /// One scheduler is suspended for longer than its claims last, then resumes.
    StopScheduler,
    /// Both schedulers at once are suspended for longer than their claims last, as on a suspended host.
    StopBothSchedulers,
    /// The connections between a scheduler and PostgreSQL stall for a while, without being closed.
    StallSchedulerDatabase,
    /// One scheduler runs for a while with a clock 20 s ahead of the other's.
    SchedulerAhead,
    /// One scheduler runs for a while with a clock 10 min behind the other's.
    SchedulerBehind,
    /// PostgreSQL's clock steps 45 s ahead, and later back.
    DatabaseAhead,
    /// PostgreSQL's clock steps 10 min back, and later ahead again.
    DatabaseBehind,
    /// RabbitMQ: kill -9, then restarted.
    KillBroker,
    /// PostgreSQL with all its processes: kill -9, then restarted.
    KillDatabase,
    /// Both servers at once.
    KillBrokerAndDatabase,
    /// The connections between a hub and PostgreSQL are cut and refused for a while.
    CutHubDatabase,
    /// The same between a hub and RabbitMQ.
    CutHubBroker,
    /// The connections between a hub and PostgreSQL stall for a while, without being closed.
    StallHubDatabase,
    /// The same between a hub and RabbitMQ.
    StallHubBroker,
    /// One agent: kill -9, restarted at once.
    KillAgent,
    /// One agent is stopped in order (TERM): it finishes its jobs first. Then it is restarted.
    DrainAgent,
    /// One agent: kill -9, restarted after its leases have expired.
    LoseAgent,
    /// One agent is suspended for longer than a lease, while its programs keep running.
    StopAgent,
    /// One agent and its programs are suspended for longer than a lease, as on a suspended host.
    SuspendAgent,
    /// The disk with an agent's work folder is full for a while.
    FillAgent,
    /// The clock of one agent steps 10 min back, and later ahead again.
    ClockAgent,
    /// A second agent starts under the name of a running one, with another work folder.
    TwinAgent,
    /// One agent is suspended for longer than a lease, another takes its name over, then the first resumes.
    TakeOverAgent,
    /// The connections between an agent and its hub are cut and refused for a while.
    CutAgentHub,
    /// The same between an agent and RabbitMQ.
    CutAgentBroker,
    /// The connections between an agent and its hub stall for a while.
    StallAgentHub,
    /// An agent is routed to the other hub.
    SwitchAgent,
}

impl Kind {
    /// Faults of services, one at a time, so that recovery can be measured.
    pub(crate) const OF_SERVICES: [Self; 15] = [
        Self::KillHub,
        Self::DrainHub,
        Self::KillBroker,
        Self::KillDatabase,
        Self::StopHub,
        Self::CutHubDatabase,
        Self::CutHubBroker,
        Self::StallHubDatabase,
        Self::StallHubBroker,
        Self::KillBothHubs,
        Self::KillBrokerAndDatabase,
        Self::StopBothHubs,
        Self::ClockAhead,
        Self::ClockBehind,
        Self::FillDatabase,
    ];
    /// Further faults of services, where the gateways are processes of their own.
    pub(crate) const OF_GATEWAYS: [Self; 4] = [Self::KillGateway, Self::StopGateway, Self::KillBothGateways, Self::RestartInTurn];
    /// Faults of schedulers that are processes of their own, injected beside those of services.
    pub(crate) const OF_SCHEDULERS: [Self; 8] = [
        Self::KillScheduler,
        Self::DrainScheduler,
        Self::KillBothSchedulers,
        Self::StopScheduler,
        Self::StopBothSchedulers,
        Self::StallSchedulerDatabase,
        Self::SchedulerAhead,
        Self::SchedulerBehind,
    ];
    /// Faults of the clock that all hubs and schedulers follow. They come in turn with those of schedulers.
    pub(crate) const OF_CLOCKS: [Self; 2] = [Self::DatabaseAhead, Self::DatabaseBehind];
    /// Faults of one agent, injected beside those of services.
    pub(crate) const OF_AGENTS: [Self; 13] = [
        Self::KillAgent,
        Self::DrainAgent,
        Self::LoseAgent,
        Self::StopAgent,
        Self::CutAgentHub,
        Self::CutAgentBroker,
        Self::StallAgentHub,
        Self::SwitchAgent,
        Self::SuspendAgent,
        Self::FillAgent,
        Self::ClockAgent,
        Self::TwinAgent,
        Self::TakeOverAgent,
    ];

    /// All of them, in the order of a report.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let services = [Self::OF_SERVICES.as_slice(), &Self::OF_GATEWAYS, &Self::OF_SCHEDULERS, &Self::OF_CLOCKS];
        services.into_iter().chain([Self::OF_AGENTS.as_slice(), &[Self::FillHub]]).flatten().copied()
    }

    /// Minimum and maximum duration, in milliseconds. Leases last [`crate::world::LEASE`].
    pub(crate) const fn duration_ms(self) -> (u64, u64) {
        match self {
            Self::KillHub | Self::DrainHub | Self::KillBothHubs | Self::KillBroker | Self::KillDatabase | Self::KillBrokerAndDatabase => {
                (0, 3_000)
            }
            Self::KillGateway | Self::KillBothGateways => (0, 3_000),
            Self::KillScheduler | Self::DrainScheduler | Self::KillBothSchedulers => (0, 5_000),
            // Claims last 20 s.
            Self::StopScheduler | Self::StopBothSchedulers => (21_000, 25_000),
            Self::SchedulerAhead | Self::SchedulerBehind => (3_000, 6_000),
            Self::DatabaseAhead | Self::DatabaseBehind => (3_000, 8_000),
            Self::StopHub | Self::StopBothHubs | Self::StopGateway | Self::StopAgent | Self::SuspendAgent | Self::TakeOverAgent => {
                (6_000, 9_000)
            }
            Self::ClockAhead | Self::ClockBehind | Self::ClockAgent | Self::FillDatabase | Self::FillHub | Self::FillAgent => {
                (2_000, 5_000)
            }
            Self::TwinAgent => (3_000, 6_000),
            Self::CutHubDatabase | Self::CutHubBroker | Self::CutAgentHub | Self::CutAgentBroker => (200, 6_000),
            Self::StallHubDatabase | Self::StallHubBroker | Self::StallSchedulerDatabase | Self::StallAgentHub => (1_000, 8_000),
            Self::KillAgent | Self::DrainAgent => (0, 2_000),
            Self::LoseAgent => (7_000, 10_000),
            Self::SwitchAgent | Self::RestartInTurn => (0, 0),
        }
    }

    /// What it needs that not every host provides.
    pub(crate) const fn needs(self) -> Option<Need> {
        match self {
            Self::FillDatabase | Self::FillHub | Self::FillAgent => Some(Need::Disks),
            Self::ClockAhead | Self::ClockBehind | Self::ClockAgent => Some(Need::Clocks),
            kind if kind.steps_database() => Some(Need::Clocks),
            _ => None,
        }
    }

    /// Whether it steps the clock that all hubs and schedulers follow: nothing else may start meanwhile, or it would keep a wrong time.
    pub(crate) const fn steps_database(self) -> bool {
        matches!(self, Self::DatabaseAhead | Self::DatabaseBehind | Self::SchedulerAhead | Self::SchedulerBehind)
    }

    /// Whether it is one of a gateway's process.
    pub(crate) const fn is_of_gateways(self) -> bool {
        matches!(self, Self::KillGateway | Self::StopGateway | Self::KillBothGateways)
    }

    /// Whether it affects only one replica, so that the other one continues.
    pub(crate) const fn concerns_one(self) -> bool {
        !matches!(
            self,
            Self::KillBothHubs
                | Self::StopBothHubs
                | Self::KillBothGateways
                | Self::RestartInTurn
                | Self::KillBroker
                | Self::KillDatabase
                | Self::KillBrokerAndDatabase
                | Self::FillDatabase
        )
    }

    /// The excuse that it gives the agents concerned, those at the address or the one, to lose jobs. All others have no excuse; nor have these
    /// where no hub could have ended their jobs meanwhile.
    pub(crate) const fn excuse(self) -> Option<Excuse> {
        match self {
            Self::KillHub | Self::DrainHub | Self::StopHub | Self::CutHubDatabase | Self::StallHubDatabase => Some(Excuse::Away),
            // The orchestrators live meanwhile.
            Self::KillGateway | Self::StopGateway | Self::KillBothGateways => Some(Excuse::Away),
            Self::KillAgent | Self::DrainAgent | Self::LoseAgent | Self::StopAgent | Self::SuspendAgent | Self::TakeOverAgent => {
                Some(Excuse::Away)
            }
            Self::CutAgentHub | Self::StallAgentHub => Some(Excuse::Away),
            Self::FillAgent => Some(Excuse::NoRoom),
            _ => None,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::KillHub => "hub killed",
            Self::DrainHub => "hub stopped in order",
            Self::KillBothHubs => "both hubs killed",
            Self::StopHub => "hub stopped",
            Self::StopBothHubs => "both hubs stopped",
            Self::ClockAhead => "hub's clock 45 s ahead",
            Self::ClockBehind => "hub's clock 10 min behind",
            Self::FillDatabase => "database's disk full",
            Self::FillHub => "SQLite's disk full",
            Self::KillGateway => "gateway killed",
            Self::StopGateway => "gateway stopped",
            Self::KillBothGateways => "both gateways killed",
            Self::RestartInTurn => "all restarted in turn",
            Self::KillScheduler => "scheduler killed",
            Self::DrainScheduler => "scheduler stopped in order",
            Self::KillBothSchedulers => "both schedulers killed",
            Self::StopScheduler => "scheduler stopped",
            Self::StopBothSchedulers => "both schedulers stopped",
            Self::StallSchedulerDatabase => "scheduler's database hangs",
            Self::SchedulerAhead => "scheduler's clock 20 s ahead",
            Self::SchedulerBehind => "scheduler's clock 10 min behind",
            Self::DatabaseAhead => "database's clock 45 s ahead",
            Self::DatabaseBehind => "database's clock 10 min behind",
            Self::KillBroker => "broker killed",
            Self::KillDatabase => "database killed",
            Self::KillBrokerAndDatabase => "broker and database killed",
            Self::CutHubDatabase => "hub cut off from the database",
            Self::CutHubBroker => "hub cut off from the broker",
            Self::StallHubDatabase => "hub's database hangs",
            Self::StallHubBroker => "hub's broker hangs",
            Self::KillAgent => "agent killed, back at once",
            Self::DrainAgent => "agent stopped in order",
            Self::LoseAgent => "agent killed",
            Self::StopAgent => "agent stopped",
            Self::SuspendAgent => "agent's host suspended",
            Self::FillAgent => "agent's disk full",
            Self::ClockAgent => "agent's clock 10 min behind",
            Self::TwinAgent => "second agent of the same name",
            Self::TakeOverAgent => "agent stopped, its name taken",
            Self::CutAgentHub => "agent cut off from its hub",
            Self::CutAgentBroker => "agent cut off from the broker",
            Self::StallAgentHub => "agent's hub hangs",
            Self::SwitchAgent => "agent moved to the other hub",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// What some faults need from the host; `scripts/chaos` provides it where possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// Small file systems that can be filled.
    Disks,
    /// A library that sets the clock of one process, and of PostgreSQL.
    Clocks,
}

/// Why a job may end without being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excuse {
    /// Its agent did not run, or could not reach its hub.
    Away,
    /// Its agent could not write.
    NoRoom,
}

/// One fault to inject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// Which hub, gateway, scheduler or agent, from 0.
    pub(crate) target: usize,
    /// Duration, in milliseconds.
    pub(crate) hold_ms: u64,
    /// Wait before it, in milliseconds.
    pub(crate) pause_ms: u64,
    /// Agents of the failing hub are routed to the other one meanwhile, as by a load balancer.
    pub(crate) failover: bool,
    /// It waits until all services are well and no other is broken meanwhile, for a clear figure.
    pub(crate) alone: bool,
}
