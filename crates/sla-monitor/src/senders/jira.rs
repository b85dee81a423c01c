//! Jira: an issue for each alert, which comments follow and a transition closes.
//!
//! What must hold: a message that is sent again makes no second issue. Each issue has the alert's id as a label, by which it is looked for before one
//! is created. Jira's search may lag by some seconds behind what it has created, which is less than a message waits before it is sent again.

mod document;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::notification::{Fate, Message, NoticeKind, Receipt, SendError, channel::Jira};
use reqwest::Method;
use runtime::outbound::OutboundAnswer;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use self::document::document;
use super::{
    Senders, answer,
    opened::Opened,
    required,
    text::{clip, one_line},
};

/// Most characters of a summary.
const MAX_SUMMARY: usize = 255;

/// What is asked of one site for one message.
struct Site<'s> {
    senders: &'s Senders,
    settings: &'s Jira,
    secrets: &'s Opened,
    authorization: String,
}

#[derive(Deserialize)]
struct Found {
    issues: Vec<Issue>,
}

#[derive(Deserialize)]
struct Issue {
    key: String,
}

#[derive(Deserialize)]
struct Detail {
    fields: Fields,
}

#[derive(Deserialize)]
struct Fields {
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    status_category: Category,
}

#[derive(Deserialize)]
struct Category {
    key: String,
}

#[derive(Deserialize)]
struct Transitions {
    transitions: Vec<Transition>,
}

#[derive(Deserialize)]
struct Transition {
    id: String,
    name: String,
    to: Status,
}

const DONE: &str = "done";

impl Senders {
    pub(super) async fn jira(&self, settings: &Jira, secrets: &Opened, message: &Message) -> Result<Receipt, SendError> {
        let token = required(secrets, "api_token")?;
        let credential = STANDARD.encode(format!("{}:{token}", settings.email));
        // So that an echo of it is taken out too.
        let mut secrets = secrets.clone();
        secrets.set("credential", credential.as_str().into());
        let site = Site { senders: self, settings, secrets: &secrets, authorization: format!("Basic {credential}") };
        let label = match message.alerts.as_slice() {
            [one] => format!("regente-{}", one.id),
            [] if message.kind == NoticeKind::Test => format!("regente-{}", message.id),
            _ => return Err(answer::unsendable("Jira takes one alert a message")),
        };
        let known = match &message.reference {
            Some(key) if is_key(key) => Some(key.clone()),
            _ => site.find(&label).await?,
        };
        match (known, message.kind) {
            (None, NoticeKind::Resolved) => {
                Ok(Receipt { answer: "the alert has no issue that could be closed".to_owned(), ..Receipt::default() })
            }
            (Some(key), NoticeKind::Resolved) => {
                site.close(&key).await?;
                site.comment(&key, message).await
            }
            (None, NoticeKind::Test) => {
                let receipt = site.create(&label, message).await?;
                if let Some(key) = &receipt.reference {
                    site.close(key).await?;
                }
                Ok(receipt)
            }
            (Some(key), NoticeKind::Test) => {
                site.close(&key).await?;
                Ok(Receipt { reference: Some(key), ..Receipt::default() })
            }
            // An earlier attempt created it.
            (Some(key), NoticeKind::Opened) => {
                Ok(Receipt { answer: format!("the issue {key} was there"), reference: Some(key), ..Receipt::default() })
            }
            (Some(key), _) => site.comment(&key, message).await,
            (None, _) => site.create(&label, message).await,
        }
    }
}

impl Site<'_> {
    /// The newest issue with this label.
    async fn find(&self, label: &str) -> Result<Option<String>, SendError> {
        let jql = format!("project = \"{}\" AND labels = \"{label}\" ORDER BY created DESC", self.settings.project);
        let found = self.ask(Method::POST, "search/jql", Some(json!({"jql": jql, "fields": ["status"], "maxResults": 1}))).await?;
        let found: Found = self.read(&found)?;
        Ok(found.issues.into_iter().next().map(|issue| issue.key))
    }

    async fn create(&self, label: &str, message: &Message) -> Result<Receipt, SendError> {
        let created = self.ask(Method::POST, "issue", Some(issue(self.settings, label, message))).await?;
        let issue: Issue = self.read(&created)?;
        Ok(Receipt { reference: Some(issue.key), ..answer::receipt(&created, self.secrets) })
    }

    async fn comment(&self, key: &str, message: &Message) -> Result<Receipt, SendError> {
        let said = self.ask(Method::POST, &format!("issue/{key}/comment"), Some(comment(message))).await?;
        Ok(Receipt { reference: Some(key.to_owned()), ..answer::receipt(&said, self.secrets) })
    }

    /// Closes an issue that is not closed.
    async fn close(&self, key: &str) -> Result<(), SendError> {
        let detail = self.ask(Method::GET, &format!("issue/{key}?fields=status"), None).await?;
        let detail: Detail = self.read(&detail)?;
        if detail.fields.status.status_category.key == DONE {
            return Ok(());
        }
        let offered = self.ask(Method::GET, &format!("issue/{key}/transitions"), None).await?;
        let offered: Transitions = self.read(&offered)?;
        let wanted = self.settings.close_transition.as_deref();
        let closing = offered.transitions.iter().find(|transition| match wanted {
            Some(name) => transition.name.eq_ignore_ascii_case(name),
            None => transition.to.status_category.key == DONE,
        });
        let Some(closing) = closing else {
            let names: Vec<&str> = offered.transitions.iter().map(|transition| transition.name.as_str()).collect();
            let missing =
                wanted.map_or_else(|| "none that leads to a status of the category done".to_owned(), |name| format!("no \"{name}\""));
            return Err(answer::unsendable(format!(
                "the issue {key} has {missing} among its transitions ({})",
                clip(&names.join(", "), 200)
            )));
        };
        self.ask(Method::POST, &format!("issue/{key}/transitions"), Some(json!({"transition": {"id": closing.id}}))).await?;
        Ok(())
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<OutboundAnswer, SendError> {
        let url = format!("{}/rest/api/3/{path}", self.settings.url.trim_end_matches('/'));
        let headers = [
            ("authorization", self.authorization.clone()),
            ("accept", "application/json".to_owned()),
            ("content-type", "application/json".to_owned()),
        ];
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let found = self.senders.request(method, &url, &headers, body).await?;
        answer::judge(&found, self.secrets, self.senders.now())?;
        Ok(found)
    }

    fn read<T: DeserializeOwned>(&self, found: &OutboundAnswer) -> Result<T, SendError> {
        serde_json::from_slice(&found.body).map_err(|_| {
            let refused = answer::refusal(Fate::Drop, found, self.secrets);
            SendError {
                message: format!("{}, which is not what Jira answers: is the address a site of Jira Cloud?", refused.message),
                ..refused
            }
        })
    }
}

/// An issue that is to be created.
pub(super) fn issue(settings: &Jira, label: &str, message: &Message) -> Value {
    let Jira { project, issue_type, .. } = settings;
    let summary = Some(one_line(&message.title)).filter(|title| !title.is_empty()).unwrap_or_else(|| "Regente".to_owned());
    let fields = json!({
        "project": {"key": project}, "issuetype": {"name": issue_type}, "summary": clip(&summary, MAX_SUMMARY),
        "description": document(message), "labels": ["regente", label]
    });
    json!({"fields": fields})
}

/// A comment of an issue.
pub(super) fn comment(message: &Message) -> Value {
    json!({"body": document(message)})
}

/// Whether a reference can be part of a path.
fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests;
