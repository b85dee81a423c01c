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
    pub(crate) const OF_SERVICES: [Self; 11] = [
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
    ];
    /// What concerns one agent; these go on beside the others.
    pub(crate) const OF_AGENTS: [Self; 8] = [
        Self::KillAgent,
        Self::DrainAgent,
        Self::LoseAgent,
        Self::StopAgent,
        Self::CutAgentHub,
        Self::CutAgentBroker,
        Self::StallAgentHub,
        Self::SwitchAgent,
    ];

    /// Least and most time that it stays broken, in milliseconds. Leases last [`crate::world::LEASE`].
    pub(crate) const fn duration_ms(self) -> (u64, u64) {
        match self {
            Self::KillHub | Self::DrainHub | Self::KillBothHubs | Self::KillBroker | Self::KillDatabase | Self::KillBrokerAndDatabase => {
                (0, 3_000)
            }
            Self::StopHub | Self::StopAgent => (6_000, 9_000),
            Self::CutHubDatabase | Self::CutHubBroker | Self::CutAgentHub | Self::CutAgentBroker => (200, 6_000),
            Self::StallHubDatabase | Self::StallHubBroker | Self::StallAgentHub => (1_000, 8_000),
            Self::KillAgent | Self::DrainAgent => (0, 2_000),
            Self::LoseAgent => (7_000, 10_000),
            Self::SwitchAgent => (0, 0),
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::KillHub => "hub killed",
            Self::DrainHub => "hub stopped in order",
            Self::KillBothHubs => "both hubs killed",
            Self::StopHub => "hub stopped",
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
