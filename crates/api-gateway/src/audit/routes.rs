use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header,
    web::{Bytes, Data},
};
use api_types::{AuditEntry, AuditExportFilter, AuditFilter};
use auth::need::AdminManage;
use domain::audit::Recorded;
use futures_util::{Stream, StreamExt as _, stream};
use runtime::{Allowed, Failure, Params, page, page_size};
use store::{
    Database,
    audit::{Filter, Link, audit_head, audit_list, audit_list_sealed},
};

use crate::service::Gateway;

/// Links that an export reads at a time.
const WINDOW: i64 = 1000;
/// Lines of JSON.
const JSON_LINES: &str = "application/x-ndjson";

/// Lists changes, newest first, 100 a page.
///
/// Who changed what, when, from where and with which credential. Entries are never changed or removed; `regente audit verify` checks their hash chain.
#[utoipa::path(tag = "audit", extensions(("x-permission" = json!("admin.manage"))), params(AuditFilter), responses((status = 200, body = Vec<AuditEntry>)))]
#[get("/api/v1/audit")]
pub(crate) async fn list(
    _caller: Allowed<AdminManage>,
    request: HttpRequest,
    gateway: Data<Gateway>,
    query: Params<AuditFilter>,
) -> Result<HttpResponse, Failure> {
    let (limit, after) = (page_size(query.0.limit, 100, 1000)?, query.0.after);
    let found = audit_list(&gateway.database, &query.0.into(), after, limit.into()).await?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|(last, _)| last.id.to_string());
    let shown: Vec<AuditEntry> = found.into_iter().map(|(entry, link)| shown(entry, link)).collect();
    Ok(page(request.path(), request.query_string(), next).json(shown))
}

/// Exports changes as lines of JSON, in the order of their hash chain.
///
/// Only what is sealed, which takes some seconds: `after`, the `seq` of the last line of an earlier export, continues it without a gap.
#[utoipa::path(tag = "audit", extensions(("x-permission" = json!("admin.manage"))), params(AuditExportFilter), responses(
    (status = 200, description = "One entry a line", content_type = "application/x-ndjson", body = String)))]
#[get("/api/v1/audit/export")]
pub(crate) async fn export(
    _caller: Allowed<AdminManage>,
    gateway: Data<Gateway>,
    query: Params<AuditExportFilter>,
) -> Result<HttpResponse, Failure> {
    let after = query.0.after.unwrap_or(0).max(0);
    let upto = audit_head(&gateway.database).await?.map_or(0, |head| head.seq);
    let lines = lines(gateway.database.clone(), query.0.into(), after, upto);
    Ok(HttpResponse::Ok()
        .content_type(JSON_LINES)
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"audit.jsonl\""))
        .streaming(lines))
}

/// The sealed entries as lines, window by window as they are read. The client's pace is the pace of the reads.
fn lines(database: Database, filter: Filter, after: i64, upto: i64) -> impl Stream<Item = Result<Bytes, Failure>> {
    let windows = stream::try_unfold(after, move |after| {
        let (database, filter) = (database.clone(), filter.clone());
        async move {
            if after >= upto {
                return Ok(None);
            }
            let end = after.saturating_add(WINDOW).min(upto);
            let found = audit_list_sealed(&database, &filter, after, end).await?;
            Ok(Some((text(found)?, end)))
        }
    });
    // An empty chunk would end the answer.
    windows.filter(|window| std::future::ready(!matches!(window, Ok(text) if text.is_empty())))
}

fn text(found: Vec<(Recorded, Link)>) -> Result<Bytes, Failure> {
    let mut text = Vec::new();
    for (entry, link) in found {
        serde_json::to_writer(&mut text, &shown(entry, Some(link))).map_err(|error| Failure::Internal(error.to_string()))?;
        text.push(b'\n');
    }
    Ok(text.into())
}

fn shown(entry: Recorded, link: Option<Link>) -> AuditEntry {
    let shown = AuditEntry::from(entry);
    match link {
        Some(Link { seq, entry_id: _, prev_hash, hash }) => {
            AuditEntry { seq: Some(seq), prev_hash: Some(prev_hash), hash: Some(hash), ..shown }
        }
        None => shown,
    }
}
