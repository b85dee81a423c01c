//! Names and other texts of one line.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type},
    },
};

/// The characters of [`domain::text::is_hidden`] below U+10000, for use inside a character class.
macro_rules! hidden {
    () => {
        r"\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    };
}

pub(super) fn text(shortest: Option<usize>, longest: usize, pattern: &str, description: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(shortest)
        .max_length(Some(longest))
        .pattern(Some(pattern))
        .description(Some(description))
        .build()
}

/// A name given by people.
pub(crate) struct GivenName;

impl PartialSchema for GivenName {
    fn schema() -> RefOr<Schema> {
        let pattern = concat!("^[^", hidden!(), "]*[^", hidden!(), r"\s][^", hidden!(), "]*$");
        text(Some(1), 200, pattern, "A name: not blank, without control or invisible characters.").into()
    }
}

impl ToSchema for GivenName {
    fn name() -> Cow<'static, str> {
        "Name".into()
    }
}

/// The name of a user.
pub(crate) struct Username;

impl PartialSchema for Username {
    fn schema() -> RefOr<Schema> {
        text(Some(1), domain::user::MAX_USERNAME, "^[a-z0-9][a-z0-9._-]*$", "The name of a user; no service has it.").into()
    }
}

impl ToSchema for Username {}

/// An e-mail address.
pub(crate) struct Email;

impl PartialSchema for Email {
    fn schema() -> RefOr<Schema> {
        macro_rules! part {
            () => {
                concat!("[^", hidden!(), r#"\s"<>,;:\\()@.]+"#)
            };
        }
        let pattern = concat!("^", part!(), r"(\.", part!(), ")*@", part!(), r"(\.", part!(), ")*$");
        text(Some(3), 254, pattern, "An e-mail address.").into()
    }
}

impl ToSchema for Email {}

/// A password that somebody chooses.
pub(crate) struct Password;

impl PartialSchema for Password {
    fn schema() -> RefOr<Schema> {
        let description = "A password; not one of the commonest, nor the user's name or e-mail address.";
        let length = domain::user::PASSWORD_LENGTH;
        let password = ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)));
        password.min_length(Some(*length.start())).max_length(Some(*length.end())).description(Some(description)).into()
    }
}

impl ToSchema for Password {}

/// A short text on one line.
pub(crate) struct ShortText;

impl PartialSchema for ShortText {
    fn schema() -> RefOr<Schema> {
        text(None, 200, concat!("^[^", hidden!(), "]*$"), "Text without control or invisible characters.").into()
    }
}

impl ToSchema for ShortText {}

/// A path on a worker.
pub(crate) struct ScriptPath;

impl PartialSchema for ScriptPath {
    fn schema() -> RefOr<Schema> {
        text(None, 1024, concat!("^[^", hidden!(), "]*$"), "A path on a worker, without control or invisible characters.").into()
    }
}

impl ToSchema for ScriptPath {}

/// The name of a queue.
pub(crate) struct QueueName;

impl PartialSchema for QueueName {
    fn schema() -> RefOr<Schema> {
        let pattern = concat!(r"^(?!amq\.|regente\.|\*$)[^", hidden!(), r"\s](?:[^", hidden!(), "]*[^", hidden!(), r"\s])?$");
        let description = "The name of a queue: 1 to 200 bytes in UTF-8, no control or invisible characters, no space at its ends. Names that \
                           start with `amq.` or `regente.` are reserved.";
        text(Some(1), 200, pattern, description).into()
    }
}

impl ToSchema for QueueName {}

/// The name of a queue, or `*`.
pub(crate) struct QueueOrEvery;

impl PartialSchema for QueueOrEvery {
    fn schema() -> RefOr<Schema> {
        let pattern = concat!(r"^(?!amq\.|regente\.)[^", hidden!(), r"\s](?:[^", hidden!(), "]*[^", hidden!(), r"\s])?$");
        text(Some(1), 200, pattern, "The name of a queue; `*` as the only item of the list means every queue.").into()
    }
}

impl ToSchema for QueueOrEvery {}

/// A label of a worker.
pub(crate) struct Label;

impl PartialSchema for Label {
    fn schema() -> RefOr<Schema> {
        text(Some(1), 64, "^[A-Za-z0-9._-]+$", "A label; case-insensitive.").into()
    }
}

impl ToSchema for Label {}

/// A slug.
pub(crate) struct Slug;

impl PartialSchema for Slug {
    fn schema() -> RefOr<Schema> {
        text(Some(1), domain::business_domain::MAX_SLUG, "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "Letters a to z, digits and hyphens.").into()
    }
}

impl ToSchema for Slug {}

/// A concurrency key.
pub(crate) struct ConcurrencyKey;

impl PartialSchema for ConcurrencyKey {
    fn schema() -> RefOr<Schema> {
        let description = "Jobs with the same key share a limit. 1 to 256 bytes in UTF-8, no control characters.";
        text(Some(1), domain::policy::MAX_KEY, r"^[^\u0000-\u001f\u007f-\u009f]+$", description).into()
    }
}

impl ToSchema for ConcurrencyKey {}

#[cfg(test)]
mod tests {
    use domain::{automation::is_queue_name, text::is_hidden};
    use serde_json::json;

    use super::{super::takes, *};

    #[test]
    fn patterns_know_every_hidden_character() {
        let schema = serde_json::to_value(ShortText::schema()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for character in (0..=0xffff).filter_map(char::from_u32) {
            let is_taken = validator.is_valid(&json!(format!("a{character}b")));
            assert_eq!(is_taken, !is_hidden(character), "U+{:04X}", u32::from(character));
        }
    }

    #[test]
    fn queue_names_are_those_of_the_rule() {
        let long = "q".repeat(201);
        for name in ["q", "a b", "emissão", "*a", "amq", "regente-x", "", " a", "a ", "amq.x", "regente.x", "*", "a\nb", "\u{200b}", &long]
        {
            assert_eq!(takes::<QueueName>(name), is_queue_name(name), "{name:?}");
            assert_eq!(takes::<QueueOrEvery>(name), is_queue_name(name) || name == "*", "{name:?}");
        }
    }

    #[test]
    fn labels_and_names_are_those_of_their_rules() {
        for label in ["SAP", "sap-7.70", "a_b", "", "a b", "é", &"x".repeat(64), &"x".repeat(65)] {
            assert_eq!(takes::<Label>(label), domain::policy::labels(&[label.to_owned()]).is_ok(), "{label:?}");
        }
        for slug in ["a", "a-1", "", "-a", "a-", "A", "a_b", &"x".repeat(64), &"x".repeat(65)] {
            assert_eq!(takes::<Slug>(slug), domain::business_domain::is_slug(slug), "{slug:?}");
        }
        for key in ["k", "a b", "{", "\n", "", &"x".repeat(256), &"x".repeat(257)] {
            assert_eq!(takes::<ConcurrencyKey>(key), domain::policy::ConcurrencyKey::check(key).is_ok(), "{key:?}");
        }
        for name in ["ana", "a", "0.a-b_c", "", "Ana", ".a", "a:b", "a@b", "á", &"a".repeat(64), &"a".repeat(65)] {
            assert_eq!(takes::<Username>(name), domain::user::is_username(name), "{name:?}");
        }
        let long = format!("{}@b", "a".repeat(253));
        for address in
            ["a@b", "josé.x+y@b.c", "", "a", "@b", "a@", "a@b@c", "a b@c", ".a@b", "a.@b", "a@b..c", "a@b\u{200b}", "<a@b>", &long]
        {
            assert_eq!(takes::<Email>(address), domain::user::is_email(address), "{address:?}");
        }
        for (name, fine) in [("a", true), (" a ", true), ("São Paulo", true), ("", false), (" ", false), ("a\u{202e}b", false)] {
            assert_eq!(takes::<GivenName>(name), fine, "{name:?}");
        }
    }
}
