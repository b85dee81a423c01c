//! Names on the wire, which AMQP limits to 255 bytes.

use lapin::types::ShortString;

use crate::Error;

/// Checks a name that must not be empty.
///
/// # Errors
/// [`Error::InvalidName`] when it is empty or longer than 255 bytes.
pub(crate) fn name(name: &str) -> Result<ShortString, Error> {
    let invalid = || Error::InvalidName { length: name.len() };
    if name.is_empty() {
        return Err(invalid());
    }
    ShortString::try_new(name).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_1_to_255_bytes() {
        assert_eq!(name(""), Err(Error::InvalidName { length: 0 }));
        assert!(name(&"q".repeat(255)).is_ok());
        assert_eq!(name(&"q".repeat(256)), Err(Error::InvalidName { length: 256 }));
    }
}
