use std::fmt;

/// A field of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CronField {
    /// Seconds, the first of six fields.
    Second,
    /// Minutes.
    Minute,
    /// Hours.
    Hour,
    /// Days of the month.
    DayOfMonth,
    /// Months.
    Month,
    /// Days of the week.
    DayOfWeek,
}

impl CronField {
    /// Its name, for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day of month",
            Self::Month => "month",
            Self::DayOfWeek => "day of week",
        }
    }
}

impl fmt::Display for CronField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CronError {
    /// The field at fault; `None`: the expression as a whole.
    pub field: Option<CronField>,
    /// The first character at fault, counted from 1.
    pub position: usize,
    /// What is wrong, and what was expected.
    pub problem: CronProblem,
}

impl fmt::Display for CronError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Some(field) => write!(f, "{field}: {}", self.problem),
            None => self.problem.fmt(f),
        }
    }
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronProblem {
    /// It has neither five nor six fields.
    #[error("an expression has 5 fields (minute, hour, day of month, month, day of week) or 6 (seconds first), not {0}")]
    FieldCount(usize),
    /// It is longer than an expression may be.
    #[error("an expression has at most {max} characters")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// A number outside of the field's range.
    #[error("{given} is not {low} to {high}")]
    OutOfRange {
        /// The number.
        given: String,
        /// Lowest value of the field.
        low: u32,
        /// Highest value of the field.
        high: u32,
    },
    /// Neither a number nor a name.
    #[error("\"{given}\" is not {expected}{}", did_you_mean(.nearest))]
    NotAValue {
        /// The text.
        given: String,
        /// What the field takes.
        expected: String,
        /// The most similar names, best first.
        nearest: Vec<String>,
    },
    /// Nothing between two commas, or after the last.
    #[error("a value is missing")]
    Missing,
    /// A range whose first value is above its last.
    #[error("{given} runs backwards: the first value of a range must not exceed the last; write {instead}")]
    Backwards {
        /// The range.
        given: String,
        /// What means it.
        instead: String,
    },
    /// A step after a single value.
    #[error("{given} has a step without a range; write {instead}")]
    StepWithoutRange {
        /// The item.
        given: String,
        /// What means it, as other programs read it.
        instead: String,
    },
    /// A step of nothing.
    #[error("the step {given} is not a number from 1")]
    BadStep {
        /// The step.
        given: String,
    },
    /// `?`, of Quartz.
    #[error("? is not cron; write *")]
    QuestionMark,
    /// `L` without the day of the week.
    #[error("L needs a day of the week before it: 5L is the last Friday of the month")]
    LastOfWhich,
    /// The count after `#` is not one of a month's.
    #[error("#{given} is not #1 to #5")]
    BadCount {
        /// The count.
        given: String,
    },
    /// A zone in the expression.
    #[error("the time zone has a field of its own and is not part of the expression")]
    Zone,
    /// `@reboot`.
    #[error("@reboot names no time: a schedule is not bound to a machine that starts")]
    Reboot,
    /// Another name with `@`.
    #[error("{given} is not one of @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly{}", did_you_mean(.nearest))]
    UnknownName {
        /// The name.
        given: String,
        /// The most similar names, best first.
        nearest: Vec<String>,
    },
    /// Dates that no year has.
    #[error("never fires: no year has such a date")]
    Never,
}

fn did_you_mean(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; did you mean {}?", names.join(", ")) }
}
