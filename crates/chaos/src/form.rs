use std::fmt;

use clap::ValueEnum;

/// Which processes a hub is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Two hubs, each with every service.
    Together,
    /// Two gateways, and two orchestrators, two schedulers and two SLA monitors behind them.
    Apart,
}

impl Form {
    pub(crate) const ALL: [Self; 2] = [Self::Together, Self::Apart];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Together => "together",
            Self::Apart => "apart",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}
