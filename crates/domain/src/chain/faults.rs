//! What is wrong with a chain, field by field; the fields have their names in the API.

use std::collections::BTreeSet;

use chrono::NaiveTime;

use super::{Chain, Condition, Input, Taken};
use crate::{
    Fault, condition,
    json::{nul_path, unkept},
    schedule::input::{MAX_NAME, name_fault, time_of_day},
};

/// Maximum number of inputs.
pub const MAX_INPUTS: usize = 50;
/// Maximum number of parameters that are taken from results.
pub const MAX_TAKEN: usize = 100;

/// A time of day, `HH:MM` or `HH:MM:SS`.
///
/// # Errors
/// A fault in `not_before`.
pub fn not_before(text: &str) -> Result<NaiveTime, Fault> {
    time_of_day("not_before", text)
}

impl Chain {
    /// Every fault of its fields.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = name_fault(&self.name).into_iter().collect();
        faults.extend(self.input_faults());
        faults.extend(unkept(&self.parameters).into_iter().map(|fault| fault.under("parameters")));
        faults.extend(self.parameters(&[]).err());
        faults.extend(self.taken_faults());
        faults
    }

    fn input_faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !(1..=MAX_INPUTS).contains(&self.inputs.len()) {
            faults.push(Fault::new("inputs", format!("must be 1 to {MAX_INPUTS} automations")));
        }
        let mut known = BTreeSet::new();
        for (nth, input) in self.inputs.iter().enumerate() {
            let place = format!("inputs/{nth}");
            if !known.insert(input.automation_id) {
                faults.push(Fault::new(format!("{place}/automation_id"), "is the same as another input's; one input can accept any end"));
            }
            faults.extend(input.faults().into_iter().map(|fault| fault.under(&place)));
        }
        faults
    }

    fn taken_faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.parameters_from.len() > MAX_TAKEN {
            faults.push(Fault::new("parameters_from", format!("must be at most {MAX_TAKEN}")));
        }
        let mut known = BTreeSet::new();
        for (nth, taken) in self.parameters_from.iter().enumerate() {
            let place = format!("parameters_from/{nth}");
            if taken.automation_id.is_some_and(|id| self.inputs.iter().all(|input| input.automation_id != id)) {
                faults.push(Fault::new(format!("{place}/automation_id"), "is none of the inputs"));
            }
            if !known.insert(&taken.parameter) {
                faults.push(Fault::new(format!("{place}/parameter"), "is taken from another place already"));
            }
            faults.extend(taken.faults().into_iter().map(|fault| fault.under(&place)));
        }
        faults
    }
}

impl Input {
    fn faults(&self) -> Vec<Fault> {
        self.condition.iter().flat_map(Condition::faults).map(|fault| fault.under("condition")).collect()
    }
}

impl Condition {
    fn faults(&self) -> Vec<Fault> {
        let nul = self.value.as_ref().and_then(nul_path).map(|_| Fault::new("value", "must not contain NUL characters"));
        pointer_fault(&self.pointer).into_iter().chain(self.operator.fault(self.value.as_ref())).chain(nul).collect()
    }
}

impl Taken {
    fn faults(&self) -> Vec<Fault> {
        let is_name = (1..=MAX_NAME).contains(&self.parameter.chars().count()) && !self.parameter.contains('\0');
        let name = (!is_name).then(|| Fault::new("parameter", format!("must be 1 to {MAX_NAME} characters, none of them NUL")));
        name.into_iter().chain(pointer_fault(&self.pointer)).collect()
    }
}

fn pointer_fault(pointer: &str) -> Option<Fault> {
    condition::pointer_fault(pointer).map(|message| Fault::new("pointer", message))
}
