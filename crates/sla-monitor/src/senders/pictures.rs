//! The pages from which the pictures of `docs/MESSAGES.md` are made: what each channel gets, drawn from the payloads themselves.
//!
//! The pages are kept beside the tests, so that a change of a message shows in them; `scripts/message-pictures` writes them anew and photographs them.

mod draw;
mod examples;

use std::{collections::BTreeSet, fs, path::PathBuf};

use domain::{
    ids::ChannelId,
    notification::{
        Message,
        channel::{Jira, Settings, Telegram},
    },
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use self::examples::{acknowledged, daily, failing, gone, late, resolved, weekly};
use super::{jira, mail, pagerduty, slack, teams, telegram, webhook};

/// Most bytes of a picture.
const MAX_PICTURE: u64 = 60_000;

fn folder(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn each(messages: &[Message], draw: impl Fn(&Message) -> String) -> String {
    messages.iter().map(|message| format!("<div class=\"message\">{}</div>\n", draw(message))).collect()
}

fn jira_settings() -> Jira {
    match serde_json::from_value(
        json!({"kind": "jira", "settings": {"url": "https://example.atlassian.net", "email": "bot@example.com", "project": "OPS"}}),
    )
    .unwrap()
    {
        Settings::Jira(settings) => settings,
        other => panic!("{other:?}"),
    }
}

fn issue(message: &Message) -> String {
    let label = format!("regente-{}", message.alerts[0].id);
    draw::jira_issue(&jira::issue(&jira_settings(), &label, message))
}

fn event(message: &Message) -> Value {
    pagerduty::event(message, "(routing key)", &pagerduty::dedup_key(&message.alerts[0].key))
}

fn telegram_settings() -> Telegram {
    Telegram { chat_id: "-1001234567890".to_owned(), message_thread_id: None, url: Telegram::url() }
}

/// Name and HTML of each page.
fn pages() -> Vec<(&'static str, String)> {
    let chat = [late(), resolved(), gone(), failing()];
    let mails = [late(), failing(), gone(), weekly()];
    let mail = |message: &Message| draw::text_mail(&mail::subject(message), &mail::plain(message));
    let channel = ChannelId::new(Uuid::from_u128(0x11));
    vec![
        ("email-late", late().html.unwrap()),
        ("email-failing", failing().html.unwrap()),
        ("email-gone", gone().html.unwrap()),
        ("email-text", draw::page(&each(&mails, mail))),
        ("slack", draw::page(&each(&chat, |message| draw::slack(&slack::payload(message))))),
        ("teams", draw::page(&each(&chat, |message| draw::teams(&teams::payload(message))))),
        ("telegram", draw::page(&each(&chat, |message| draw::telegram(&telegram::payload(&telegram_settings(), message))))),
        ("pagerduty", draw::page(&each(&[failing(), acknowledged(), resolved()], |message| draw::pagerduty(&event(message))))),
        (
            "jira",
            draw::page(&format!(
                "{}{}",
                each(&[late(), failing()], issue),
                each(&[resolved()], |message| draw::jira_comment(&jira::comment(message)))
            )),
        ),
        ("webhook", draw::page(&each(&[late()], |message| draw::json(&webhook::event(channel, message))))),
        ("report-daily", daily().html.unwrap()),
        ("report-weekly", weekly().html.unwrap()),
    ]
}

#[test]
fn the_pages_show_what_channels_get() {
    let kept = folder("tests/pictures");
    let is_update = std::env::var_os("WRITE_PICTURES").is_some();
    let pages = pages();
    for (name, html) in &pages {
        let path = kept.join(format!("{name}.html"));
        if is_update {
            fs::write(&path, html).unwrap();
        }
        let before = fs::read_to_string(&path).unwrap_or_default();
        let line = before.lines().zip(html.lines()).position(|(before, now)| before != now).unwrap_or_default();
        assert!(
            before == *html,
            "{name}.html shows something else since line {}: look at it and run scripts/message-pictures\nnow:\n{html}",
            line + 1
        );
    }
    let files: BTreeSet<String> = fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files, pages.iter().map(|(name, _)| format!("{name}.html")).collect());
}

#[test]
fn each_picture_is_of_the_page_as_it_is_now_and_is_in_the_documentation() {
    let pictures = folder("../../docs/images/messages");
    let document = fs::read_to_string(folder("../../docs/MESSAGES.md")).unwrap();
    // Lines of: picture, page, digest of the page that it is made of.
    let made = fs::read_to_string(pictures.join("made-of.txt")).unwrap();
    let mut listed = BTreeSet::from(["made-of.txt".to_owned()]);
    for line in made.lines() {
        let [picture, page, digest] = line.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
        let html = fs::read(folder("tests/pictures").join(page)).unwrap();
        let now: String = Sha256::digest(html).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, now, "{picture} is of another {page}: run scripts/message-pictures");
        assert!(document.contains(&format!("](images/messages/{picture})")), "docs/MESSAGES.md does not show {picture}");
        let size = fs::metadata(pictures.join(picture)).unwrap().len();
        assert!((1000..MAX_PICTURE).contains(&size), "{picture}: {size} bytes");
        listed.insert(picture.to_owned());
    }
    let files: BTreeSet<String> = fs::read_dir(&pictures).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files, listed);
    for (name, _) in pages() {
        assert!(made.contains(&format!(" {name}.html ")), "no picture of {name}.html");
    }
    assert_eq!(document.matches("](images/messages/").count(), listed.len() - 1);
}

/// Mail programs run no scripts, load nothing, and know neither flexible boxes nor grids.
#[test]
fn mails_have_only_what_mail_programs_show() {
    for (name, html) in
        pages().into_iter().filter(|(name, _)| name.starts_with("email-") && *name != "email-text" || name.starts_with("report-"))
    {
        for forbidden in
            ["<script", "<img", "<link", "<form", "<svg", "url(", "@import", "display:flex", "display:grid", "position:", "var(--"]
        {
            assert!(!html.contains(forbidden), "{name}: {forbidden}");
        }
        assert!(html.len() < 100_000, "Gmail cuts mails of more than 102 KB: {name}");
        assert!(html.contains("style=\"") && html.contains("role=\"presentation\""), "{name}");
    }
}
