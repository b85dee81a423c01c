use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse, get, rt,
    web::{Data, Payload},
};
use actix_ws::{CloseCode, CloseReason, Message, MessageStream, ProtocolError, Session};
use api_types::{EventFilter, Problem};
use auth::need::RunRead;
use runtime::{Allowed, Failure, Params};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::{
    filter::Filter,
    hub::{Live, Watch},
    reader::Next,
    routes::open,
};

/// The protocol that a browser names beside its token.
const PROTOCOL: &str = "regente.events.v1";
/// Most bytes of a message of a client.
const MESSAGE_BYTES: usize = 16 * 1024;
/// How long the last message may take to a client that does not read: sockets hold megabytes before it, and a line may be slow.
const CLOSE_WITHIN: Duration = Duration::from_secs(30);
/// Close codes of clients' faults.
const BAD_MESSAGE: u16 = 4400;
const SILENT: u16 = 4408;

/// Opens a WebSocket for what happens in the hub.
///
/// The same events as `GET /api/v1/events`, each a message `{"type": "event", "id": …, "event": {…}}`; other types are `open`, `reset` and
/// `alive`. A client asks for other events by a message with the fields of the query. A browser, which cannot set headers, offers the protocols
/// `regente.events.v1` and `bearer.TOKEN`. Close codes: 4400 (a message is not understood), 4401 (the token has ended), 4403 (nothing may be
/// seen any more), 4408 (the client does not read, or is silent), 1001 (the gateway stops).
#[utoipa::path(tag = "events", extensions(("x-permission" = json!("run.read"))), params(EventFilter), responses(
    (status = 101, description = "The WebSocket is open"),
    (status = 429, description = "The caller has too many streams; see Retry-After", body = Problem)))]
#[get("/api/v1/ws")]
pub(crate) async fn websocket(
    _: Allowed<RunRead>,
    request: HttpRequest,
    body: Payload,
    live: Data<Live>,
    params: Params<EventFilter>,
) -> Result<HttpResponse, Failure> {
    let watch = open(&request, &live, params.0).await?;
    let opened = actix_ws::handle_with_protocols(&request, body, &[PROTOCOL]);
    let (response, session, messages) = opened.map_err(|error| Failure::BadRequest(error.to_string()))?;
    rt::spawn(serve(watch, session, messages.max_frame_size(MESSAGE_BYTES)));
    Ok(response)
}

async fn serve(watch: Watch, mut session: Session, mut messages: MessageStream) {
    let silence = watch.heartbeat() * 3;
    let (mut heard_at, mut pings) = (Instant::now(), interval(watch.heartbeat()));
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let close = loop {
        tokio::select! {
            next = watch.reader.next() => {
                let frame = match next {
                    Next::Frame(frame) => frame,
                    Next::End(end) => break reason(end.close_code(), end.detail()),
                };
                // A client that does not read must not keep the end from coming.
                tokio::select! {
                    sent = session.text(frame.text()) => if sent.is_err() { return },
                    end = watch.reader.ended() => break reason(end.close_code(), end.detail()),
                }
            }
            message = messages.recv() => {
                heard_at = Instant::now();
                match hear(&watch, &mut session, message).await {
                    Heard::Nothing => {}
                    Heard::Gone => return,
                    Heard::Fault(fault) => break reason(BAD_MESSAGE, &fault),
                }
            }
            _ = pings.tick() => if session.ping(b"").await.is_err() { return },
            () = sleep_until(heard_at + silence) => break reason(SILENT, "the client did not answer"),
        }
    };
    // The client is gone, or does not read: then nobody learns the reason.
    let _ = timeout(CLOSE_WITHIN, session.close(Some(close))).await;
}

fn reason(code: u16, detail: &str) -> CloseReason {
    CloseReason { code: CloseCode::Other(code), description: Some(detail.to_owned()) }
}

/// What a client said.
enum Heard {
    Nothing,
    Gone,
    Fault(String),
}

async fn hear(watch: &Watch, session: &mut Session, message: Option<Result<Message, ProtocolError>>) -> Heard {
    match message {
        Some(Ok(Message::Text(text))) => match ask(watch, &text) {
            Ok(()) => Heard::Nothing,
            Err(fault) => Heard::Fault(fault),
        },
        Some(Ok(Message::Ping(bytes))) => {
            if session.pong(&bytes).await.is_ok() {
                Heard::Nothing
            } else {
                Heard::Gone
            }
        }
        Some(Ok(Message::Pong(_) | Message::Nop)) => Heard::Nothing,
        Some(Ok(Message::Binary(_) | Message::Continuation(_))) => Heard::Fault("messages must be text, each in one frame".to_owned()),
        Some(Err(error)) => Heard::Fault(error.to_string()),
        Some(Ok(Message::Close(_))) | None => Heard::Gone,
    }
}

fn ask(watch: &Watch, text: &str) -> Result<(), String> {
    let wanted: EventFilter = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let last = wanted.last_event_id.clone();
    let filter = Filter::new(wanted).map_err(|faults| Failure::BadQuery(faults).to_string())?;
    watch.ask(filter, last.as_deref());
    Ok(())
}
