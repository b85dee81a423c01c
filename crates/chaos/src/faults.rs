use std::fmt;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// One hub: kill -9, then started again.
    KillHub,
    /// One hub is asked to end (TERM), then started again.
    DrainHub,
    /// Both hubs at once: kill -9, then started again.
    KillBothHubs,
    /// One hub is stopped for longer than a lease and goes on as if nothing had been.
    StopHub,
    /// Both hubs at once are stopped for longer than a lease: a host that was suspended.
    StopBothHubs,
    /// The clock of one hub steps 45 s ahead, and later back.
    ClockAhead,
    /// The clock of one hub steps 10 min back, and later ahead again.
    ClockBehind,
    /// The disk with PostgreSQL's data is full for a while.
    FillDatabase,
    /// The disk with the SQLite file of a hub is full for a while; in a run of its own.
    FillHub,
    /// RabbitMQ: kill -9, then started again.
    KillBroker,
    /// PostgreSQL with all its processes: kill -9, then started again.
    KillDatabase,
    /// Both servers at once.
    KillBrokerAndDatabase,
    /// The connections between a hub and PostgreSQL are ended and refused for a while.
    CutHubDatabase,
    /// The same between a hub and RabbitMQ.
    CutHubBroker,
    /// Nothing goes through between a hub and PostgreSQL for a while, and nobody is told.
    StallHubDatabase,
    /// The same between a hub and RabbitMQ.
    StallHubBroker,
    /// One agent: kill -9, and back at once.
    KillAgent,
    /// One agent is asked to end (TERM): it lets its jobs end first. Then it is started again.
    DrainAgent,
    /// One agent: kill -9, and back when its leases are over.
    LoseAgent,
    /// One agent is stopped for longer than a lease, while its programs go on.
    StopAgent,
    /// One agent and its programs are stopped for longer than a lease: its host was suspended.
    SuspendAgent,
    /// The disk with an agent's work folder is full for a while.
    FillAgent,
    /// The clock of one agent steps 10 min back, and later ahead again.
    ClockAgent,
    /// A second agent is started under the name of one that runs, with another work folder.
    TwinAgent,
    /// One agent is stopped for longer than a lease, another takes its name, and then it goes on.
    TakeOverAgent,
    /// The connections between an agent and its hub are ended and refused for a while.
    CutAgentHub,
    /// The same between an agent and RabbitMQ.
    CutAgentBroker,
    /// Nothing goes through between an agent and its hub for a while.
    StallAgentHub,
    /// An agent is led to the other hub in the middle of everything.
    SwitchAgent,
}

impl Kind {
    /// What concerns everybody; one at a time, so that its recovery can be measured.
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
    /// What concerns one agent; these go on beside the others.
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

    /// Least and most time that it stays broken, in milliseconds. Leases last [`crate::world::LEASE`].
    pub(crate) const fn duration_ms(self) -> (u64, u64) {
        match self {
            Self::KillHub | Self::DrainHub | Self::KillBothHubs | Self::KillBroker | Self::KillDatabase | Self::KillBrokerAndDatabase => {
                (0, 3_000)
            }
            Self::StopHub | Self::StopBothHubs | Self::StopAgent | Self::SuspendAgent | Self::TakeOverAgent => (6_000, 9_000),
            Self::ClockAhead | Self::ClockBehind | Self::ClockAgent | Self::FillDatabase | Self::FillHub | Self::FillAgent => {
                (2_000, 5_000)
            }
            Self::TwinAgent => (3_000, 6_000),
            Self::CutHubDatabase | Self::CutHubBroker | Self::CutAgentHub | Self::CutAgentBroker => (200, 6_000),
            Self::StallHubDatabase | Self::StallHubBroker | Self::StallAgentHub => (1_000, 8_000),
            Self::KillAgent | Self::DrainAgent => (0, 2_000),
            Self::LoseAgent => (7_000, 10_000),
            Self::SwitchAgent => (0, 0),
        }
    }

    /// What it takes that not every system gives.
    pub(crate) const fn needs(self) -> Option<Need> {
        match self {
            Self::FillDatabase | Self::FillHub | Self::FillAgent => Some(Need::Disks),
            Self::ClockAhead | Self::ClockBehind | Self::ClockAgent => Some(Need::Clocks),
            _ => None,
        }
    }

    /// Whether it concerns one hub only, so that the other one goes on.
    pub(crate) const fn concerns_one_hub(self) -> bool {
        !matches!(
            self,
            Self::KillBothHubs
                | Self::StopBothHubs
                | Self::KillBroker
                | Self::KillDatabase
                | Self::KillBrokerAndDatabase
                | Self::FillDatabase
        )
    }

    /// What it means for the jobs of the agents concerned: of those at the hub, or of the one. All others, and where nobody could have ended
    /// them meanwhile theirs too, have no excuse to be lost.
    pub(crate) const fn excuse(self) -> Option<Excuse> {
        match self {
            Self::KillHub | Self::DrainHub | Self::StopHub | Self::CutHubDatabase | Self::StallHubDatabase => Some(Excuse::Away),
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

/// What some faults need from the system; `scripts/chaos` provides it where it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// Small file systems that can be filled.
    Disks,
    /// A library that sets the clock of one process.
    Clocks,
}

/// Why a job may end without having been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excuse {
    /// Its agent did not run, or could not get at its hub.
    Away,
    /// Its agent could write nothing.
    NoRoom,
}

/// One thing to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// Which hub or agent, from 0.
    pub(crate) target: usize,
    /// How long, in milliseconds.
    pub(crate) hold_ms: u64,
    /// Wait before it, in milliseconds.
    pub(crate) pause_ms: u64,
    /// Agents of the hub that fails are led to the other one meanwhile, as a load balancer would.
    pub(crate) failover: bool,
    /// It waits until the services are well, and they stay well meanwhile: for a clear figure.
    pub(crate) alone: bool,
}
