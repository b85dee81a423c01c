//! The hash chain of the audit trail: what seals an entry, and what a check of the chain finds.
//!
//! Each link's hash is over the hash of the link before and the entry: an entry that was changed, removed, added or moved in between does not
//! fit any more. Whoever can rewrite the whole chain can forge it: keep its head ([`Verifier::head`]) elsewhere.

use std::fmt;

use domain::{audit::Recorded, ids::AuditId};
use sha2::{Digest as _, Sha256};

/// The hash before the first link.
pub const FIRST_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The hash of a link, as 64 hexadecimal digits.
#[must_use]
pub fn link_hash(prev_hash: &str, entry: &Recorded) -> String {
    let hash = Sha256::new().chain_update(prev_hash).chain_update("\n").chain_update(entry.canonical()).finalize();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The place of a link: its number and hash, written `<seq>:<hash>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub seq: i64,
    /// Its hash.
    pub hash: String,
}

impl fmt::Display for Head {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.seq, self.hash)
    }
}

/// A text that is no [`Head`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a number, a colon and 64 hexadecimal digits, as `regente audit verify` prints it")]
pub struct InvalidHead;

impl std::str::FromStr for Head {
    type Err = InvalidHead;

    fn from_str(text: &str) -> Result<Self, InvalidHead> {
        let (seq, hash) = text.split_once(':').ok_or(InvalidHead)?;
        let is_hash = hash.len() == FIRST_HASH.len() && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let seq = seq.parse().map_err(|_| InvalidHead)?;
        if is_hash { Ok(Self { seq, hash: hash.to_ascii_lowercase() }) } else { Err(InvalidHead) }
    }
}

/// A link with its entry, as it is checked.
#[derive(Clone, Copy, Debug)]
pub struct Checked<'a> {
    /// Its number.
    pub seq: i64,
    /// The entry that it names.
    pub entry_id: AuditId,
    /// What it says of the link before.
    pub prev_hash: &'a str,
    /// Its hash.
    pub hash: &'a str,
    /// The entry.
    pub entry: Option<&'a Recorded>,
}

/// What is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Links are missing.
    #[error("links {from} to {to} are missing: entries were removed")]
    LinksMissing {
        /// The first.
        from: i64,
        /// The last.
        to: i64,
    },
    /// A link does not follow from the one before.
    #[error("link {seq} (entry {entry_id}) does not follow from link {}: the chain was rewritten there", seq - 1)]
    Broken {
        /// The link.
        seq: i64,
        /// Its entry.
        entry_id: AuditId,
    },
    /// An entry is missing.
    #[error("entry {entry_id} (link {seq}) is missing: it was removed")]
    EntryMissing {
        /// The link.
        seq: i64,
        /// The entry.
        entry_id: AuditId,
    },
    /// An entry is not as it was sealed.
    #[error("entry {entry_id} (link {seq}) is not as it was sealed: it was changed")]
    EntryChanged {
        /// The link.
        seq: i64,
        /// The entry.
        entry_id: AuditId,
    },
    /// The chain does not have a link that it had.
    #[error("the chain does not have the link {0} any more: it was rewritten or cut off")]
    HeadLost(Head),
    /// An entry is not part of the chain.
    #[error("entry {0} is not sealed: it was added past the hub, or no gateway has run since")]
    Unsealed(AuditId),
}

/// Checks a chain, link by link.
#[derive(Clone, Debug)]
pub struct Verifier {
    head: Head,
    known: Option<Head>,
    has_known: bool,
}

impl Verifier {
    /// `known` is a link that the chain had at an earlier time.
    #[must_use]
    pub fn new(known: Option<Head>) -> Self {
        Self { head: Head { seq: 0, hash: FIRST_HASH.to_owned() }, has_known: known.is_none(), known }
    }

    /// Checks the next link.
    pub fn check(&mut self, link: Checked<'_>) -> Vec<Flaw> {
        let Checked { seq, entry_id, prev_hash, hash, entry } = link;
        let mut flaws = Vec::new();
        if seq > self.head.seq + 1 {
            flaws.push(Flaw::LinksMissing { from: self.head.seq + 1, to: seq - 1 });
        } else if prev_hash != self.head.hash {
            flaws.push(Flaw::Broken { seq, entry_id });
        }
        match entry {
            None => flaws.push(Flaw::EntryMissing { seq, entry_id }),
            Some(entry) if link_hash(prev_hash, entry) != hash => flaws.push(Flaw::EntryChanged { seq, entry_id }),
            Some(_) => {}
        }
        self.head = Head { seq, hash: hash.to_owned() };
        self.has_known |= self.known.as_ref() == Some(&self.head);
        flaws
    }

    /// The last link that was checked. A later check that is given it notices when links up to it were rewritten or cut off.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// What is wrong with the chain as a whole, after its last link.
    #[must_use]
    pub fn finish(self) -> Option<Flaw> {
        self.known.filter(|_| !self.has_known).map(Flaw::HeadLost)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use domain::audit::ActorKind;
    use uuid::Uuid;

    use super::*;

    type Row = (i64, AuditId, String, String, Option<Recorded>);

    fn entry(nth: u128) -> Recorded {
        Recorded {
            id: Uuid::from_u128(nth).into(),
            at: DateTime::from_timestamp_micros(1_800_000_000_000_000).unwrap(),
            actor: "ana".to_owned(),
            actor_kind: ActorKind::User,
            credential: None,
            address: None,
            request_id: None,
            action: "automation.pause".to_owned(),
            target_kind: "automation".to_owned(),
            target_id: nth.to_string(),
            before: None,
            after: None,
        }
    }

    fn chain(entries: impl IntoIterator<Item = Recorded>) -> Vec<Row> {
        let mut prev = FIRST_HASH.to_owned();
        let link = |(seq, entry): (i64, Recorded)| {
            let hash = link_hash(&prev, &entry);
            (seq, entry.id, std::mem::replace(&mut prev, hash.clone()), hash, Some(entry))
        };
        (1..).zip(entries).map(link).collect()
    }

    fn verified(rows: &[Row], known: Option<Head>) -> (Vec<Flaw>, Head) {
        let mut verifier = Verifier::new(known);
        let check = |(seq, entry_id, prev_hash, hash, entry): &Row| {
            verifier.check(Checked { seq: *seq, entry_id: *entry_id, prev_hash, hash, entry: entry.as_ref() })
        };
        let mut flaws: Vec<Flaw> = rows.iter().flat_map(check).collect();
        let head = verifier.head().clone();
        flaws.extend(verifier.finish());
        (flaws, head)
    }

    #[test]
    fn a_chain_as_it_was_sealed_has_no_flaw() {
        let rows = chain((1..=5).map(entry));
        let (flaws, head) = verified(&rows, None);
        assert_eq!((flaws, head.seq), (vec![], 5));
        assert_eq!(verified(&rows, head.to_string().parse().ok()).0, []);
        assert_eq!(verified(&[], None).0, []);
        assert_eq!("5:abc".parse::<Head>(), Err(InvalidHead));
    }

    #[test]
    fn what_was_changed_removed_or_rewritten_is_named() {
        let whole = chain((1..=5).map(entry));
        let id = |nth: u128| AuditId::from(Uuid::from_u128(nth));
        let mut changed = whole.clone();
        changed[2].4 = changed[2].4.take().map(|entry| Recorded { actor: "bea".to_owned(), ..entry });
        assert_eq!(verified(&changed, None).0, [Flaw::EntryChanged { seq: 3, entry_id: id(3) }]);
        // Sealed anew, which leaves the next link without the one that it follows from.
        changed[2].3 = link_hash(&changed[2].2, changed[2].4.as_ref().unwrap());
        assert_eq!(verified(&changed, None).0, [Flaw::Broken { seq: 4, entry_id: id(4) }]);
        let mut gone = whole.clone();
        gone[1].4 = None;
        assert_eq!(verified(&gone, None).0, [Flaw::EntryMissing { seq: 2, entry_id: id(2) }]);
        gone.drain(1..3);
        assert_eq!(verified(&gone, None).0, [Flaw::LinksMissing { from: 2, to: 3 }]);
        let head = verified(&whole, None).1;
        assert_eq!(verified(&whole[..4], Some(head.clone())).0, [Flaw::HeadLost(head.clone())], "cut off");
        assert_eq!(verified(&chain((2..=7).map(entry)), Some(head.clone())).0, [Flaw::HeadLost(head)], "rewritten as a whole");
    }
}
