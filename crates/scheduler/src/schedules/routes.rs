mod exchange;
mod manage;
mod operate;

pub(crate) use self::{exchange::*, manage::*, operate::*};
