//! What is sent to readers: each frame is written once, for server-sent events and for WebSockets, and shared by all of them.

use actix_web::web::Bytes;
use bytestring::ByteString;
use runtime::events::Event;
use serde_json::{Value, json};

use super::{reader::End, sight::Subject};

/// A frame, as both kinds of readers receive it.
pub(super) struct Frame {
    /// What it is about; `None`: for everybody.
    pub(super) subject: Option<Subject>,
    sse: Bytes,
    text: ByteString,
}

impl Frame {
    /// An event.
    pub(super) fn event(id: &str, event: &Event, subject: Subject) -> Self {
        let data = serde_json::to_string(event).unwrap_or_else(|_| "null".to_owned());
        let text = format!(r#"{{"type":"event","id":"{id}","event":{data}}}"#);
        let sse = format!("event: {}\nid: {id}\ndata: {data}\n\n", event.kind);
        Self { subject: Some(subject), sse: sse.into(), text: text.into() }
    }

    /// The beginning of a stream: what follows is everything after `id`.
    pub(super) fn open(id: &str) -> Self {
        Self::control("open", id, json!({}))
    }

    /// Events are missing here.
    pub(super) fn reset(id: &str) -> Self {
        Self::control("reset", id, json!({"detail": "events were missed: read the state again; what follows is complete"}))
    }

    /// The stream lives, and everything up to `id` was sent.
    pub(super) fn alive(id: &str) -> Self {
        let text = json!({"type": "alive", "id": id}).to_string();
        // Without data it is no event: a client only remembers the id.
        Self { subject: None, sse: format!(": alive\nid: {id}\n\n").into(), text: text.into() }
    }

    fn control(kind: &str, id: &str, data: Value) -> Self {
        let sse = format!("event: {kind}\nid: {id}\ndata: {data}\n\n");
        let mut text = json!({"type": kind, "id": id});
        if let (Some(text), Value::Object(data)) = (text.as_object_mut(), data) {
            text.extend(data);
        }
        Self { subject: None, sse: sse.into(), text: text.to_string().into() }
    }

    /// As a server-sent event.
    pub(super) fn sse(&self) -> Bytes {
        self.sse.clone()
    }

    /// As the text of a WebSocket message.
    pub(super) fn text(&self) -> ByteString {
        self.text.clone()
    }
}

/// The last server-sent event of a stream.
pub(super) fn end(end: End) -> Bytes {
    let data = json!({"code": end.code(), "detail": end.detail()});
    format!("event: end\ndata: {data}\n\n").into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, from_str};

    use super::*;

    #[test]
    fn an_event_is_the_same_in_both_forms() {
        let data: Map<String, Value> = [("job_id".to_owned(), "x\ny".into())].into_iter().collect();
        let event = Event::new("job.failed", "jobs/x".to_owned(), chrono::DateTime::UNIX_EPOCH, data);
        let frame = Frame::event("r-7", &event, Subject::of(&event));
        let sse = String::from_utf8(frame.sse().to_vec()).unwrap();
        let (head, data) = sse.split_once("data: ").unwrap();
        assert_eq!(head, "event: job.failed\nid: r-7\n");
        let text: Value = from_str(&frame.text()).unwrap();
        assert_eq!((text["type"].as_str(), text["id"].as_str()), (Some("event"), Some("r-7")));
        assert_eq!(text["event"], from_str::<Value>(data).unwrap());
        assert!(data.ends_with("}\n\n") && data.matches('\n').count() == 2, "line breaks of data are escaped: {data}");
    }

    #[test]
    fn controls_have_ids() {
        assert_eq!(Frame::open("r-1").sse(), "event: open\nid: r-1\ndata: {}\n\n");
        assert_eq!(Frame::alive("r-1").sse(), ": alive\nid: r-1\n\n");
        let reset: Value = from_str(&Frame::reset("r-2").text()).unwrap();
        assert_eq!((reset["type"].as_str(), reset["id"].as_str(), reset["detail"].is_string()), (Some("reset"), Some("r-2"), true));
        assert!(end(End::Slow).starts_with(b"event: end\ndata: {"));
    }
}
