use domain::log::Level;
use serde_json::{Map, Value};

use super::level;
use crate::robot_json;

/// A line of JSON as structured loggers write it.
pub(crate) struct Spoken {
    pub(crate) level: Option<Level>,
    /// Absent: the line itself is the message.
    pub(crate) message: Option<String>,
    pub(crate) actionable: bool,
}

const LEVELS: [&str; 9] = ["level", "levelname", "severity", "nivel", "lvl", "log.level", "log_level", "loglevel", "@l"];
const MESSAGES: [&str; 3] = ["message", "msg", "mensagem"];
/// Keys of the message only if there is a level.
const MESSAGES_OF_LOGGERS: [&str; 4] = ["event", "@m", "@mt", "text"];

impl Spoken {
    /// Reads a JSON object with a message or a level.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if !text.trim_start().starts_with('{') {
            return None;
        }
        let (Value::Object(fields), _) = robot_json::read(text.trim().as_bytes()).ok()? else { return None };
        // loguru puts them one deeper.
        let inner = fields.get("record").and_then(Value::as_object);
        let level = level_in(&fields).or_else(|| level_in(inner?));
        let word =
            |fields: &Map<String, Value>, names: &[&str]| names.iter().find_map(|name| fields.get(*name)?.as_str().map(str::to_owned));
        let message = word(&fields, &MESSAGES)
            .or_else(|| word(inner?, &MESSAGES))
            .or_else(|| level.and_then(|_| word(&fields, &MESSAGES_OF_LOGGERS)));
        let actionable = fields.get("actionable").and_then(Value::as_bool).unwrap_or(false);
        (level.is_some() || message.is_some()).then_some(Self { level, message, actionable })
    }
}

fn level_in(fields: &Map<String, Value>) -> Option<Level> {
    LEVELS.iter().find_map(|name| match fields.get(*name)? {
        Value::String(word) => level::of_word(word.trim().split('+').next()?).or_else(|| level::of_number(word.trim().parse().ok()?)),
        Value::Number(number) => level::of_number(number.as_u64()?),
        Value::Object(level) => level::of_word(level.get("name")?.as_str()?),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structured_loggers() {
        let table = [
            // python-json-logger, structlog, loguru with serialize
            (r#"{"levelname":"ERROR","message":"a","exc_info":NaN}"#, Some(Level::Error), Some("a")),
            (r#"{"event":"a","level":"warning","timestamp":"2026-11-26T10:00:00Z"}"#, Some(Level::Warning), Some("a")),
            (
                r#"{"text":"2026 | a\n","record":{"level":{"icon":"i","name":"SUCCESS","no":25},"message":"a"}}"#,
                Some(Level::Info),
                Some("a"),
            ),
            // pino, bunyan, winston
            (r#"{"level":30,"time":1795687200000,"pid":1,"msg":"a"}"#, Some(Level::Info), Some("a")),
            (r#"{"level":50,"err":{"message":"b"},"msg":"a"}"#, Some(Level::Error), Some("a")),
            (r#"{"level":60,"msg":"a"}"#, Some(Level::Critical), Some("a")),
            (r#"{"level":"20","msg":"a"}"#, Some(Level::Debug), Some("a")),
            (r#"{"level":"info","message":"a"}"#, Some(Level::Info), Some("a")),
            // slog, zap, ECS, Serilog
            (r#"{"time":"2026-11-26T10:00:00Z","level":"ERROR+4","msg":"a"}"#, Some(Level::Error), Some("a")),
            (r#"{"level":"dpanic","ts":1795687200.1,"msg":"a"}"#, Some(Level::Critical), Some("a")),
            (r#"{"log.level":"warn","message":"a"}"#, Some(Level::Warning), Some("a")),
            (r#"{"@l":"Error","@mt":"a"}"#, Some(Level::Error), Some("a")),
            (r#"{"nivel":"AVISO","mensagem":"a"}"#, Some(Level::Warning), Some("a")),
            // Neither a level nor a message is needed for the other.
            (r#"{"level":"ERROR"}"#, Some(Level::Error), None),
            (r#"{"message":"a","level":3}"#, None, Some("a")),
        ];
        for (line, level, message) in table {
            let spoken = Spoken::read(line).unwrap();
            assert_eq!((spoken.level, spoken.message.as_deref()), (level, message), "{line}");
        }
        for other in ["[1]", "x", "{", r#"{"event":"a"}"#, r#"{"level":"high"}"#] {
            assert!(Spoken::read(other).is_none(), "{other}");
        }
    }
}
