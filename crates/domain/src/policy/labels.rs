use std::collections::BTreeSet;

use crate::Fault;

/// Maximum number of labels of a worker or an automation.
pub const MAX_LABELS: usize = 20;

/// Normalises labels: lower case, sorted, without duplicates.
///
/// # Errors
/// A fault for the first invalid label, at its index, or for too many labels; fields are relative to the list.
pub fn labels(given: &[String]) -> Result<Vec<String>, Fault> {
    if given.len() > MAX_LABELS {
        return Err(Fault::new("", format!("must have at most {MAX_LABELS} labels")));
    }
    let mut stored = BTreeSet::new();
    for (index, label) in given.iter().enumerate() {
        let folded = label.to_ascii_lowercase();
        let plain = folded.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte));
        if !plain || !(1..=64).contains(&folded.len()) {
            return Err(Fault::new(index.to_string(), "must have 1 to 64 letters a to z, digits, dots, hyphens or underscores"));
        }
        stored.insert(folded);
    }
    Ok(stored.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: &[&str]) -> Result<Vec<String>, Fault> {
        labels(&given.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn stored_in_lower_case_sorted_and_once() {
        assert_eq!(of(&["windows", "SAP", "sap-7.70", "Windows"]).unwrap(), ["sap", "sap-7.70", "windows"]);
        assert_eq!(of(&[]).unwrap(), [""; 0]);
        assert_eq!(labels(&of(&["B", "a"]).unwrap()).unwrap(), ["a", "b"]);
    }

    #[test]
    fn the_first_invalid_label_is_named() {
        for bad in ["", " ", "a b", "é", "a/b", "ÇA", &"x".repeat(65)] {
            assert_eq!(of(&["fine", bad]).unwrap_err().field, "1", "{bad}");
        }
        let many: Vec<String> = (0..=MAX_LABELS).map(|n| format!("l{n}")).collect();
        assert_eq!(labels(&many).unwrap_err().field, "");
        assert_eq!(labels(&many[1..]).unwrap().len(), MAX_LABELS);
    }
}
