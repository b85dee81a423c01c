use sea_orm_migration::{prelude::*, schema::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Tables that only grow.
const APPEND_ONLY: [&str; 2] = ["audit_entries", "audit_chain"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(entries()).await?;
        manager.create_index(Index::create().name("ix_audit_actor").table("audit_entries").col("actor").col("id").to_owned()).await?;
        let target =
            Index::create().name("ix_audit_target").table("audit_entries").col("target_kind").col("target_id").col("id").to_owned();
        manager.create_index(target).await?;
        manager.create_table(chain()).await?;
        let unsealed = Table::create().table("audit_unsealed").col(ColumnDef::new("entry_id").uuid().not_null().primary_key()).to_owned();
        manager.create_table(unsealed).await?;
        for statement in triggers(manager.get_database_backend()) {
            manager.get_connection().execute_unprepared(&statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["audit_unsealed", "audit_chain", "audit_entries"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        if manager.get_database_backend() == DbBackend::Postgres {
            manager.get_connection().execute_unprepared("DROP FUNCTION audit_refuse(); DROP FUNCTION audit_enqueue()").await?;
        }
        Ok(())
    }
}

fn entries() -> TableCreateStatement {
    Table::create()
        .table("audit_entries")
        .col(ColumnDef::new("id").uuid().not_null().primary_key())
        .col(timestamp_with_time_zone("at"))
        .col(text("actor"))
        .col(text("actor_kind"))
        .col(text_null("credential"))
        .col(text_null("address"))
        .col(text_null("request_id"))
        .col(text("action"))
        .col(text("target_kind"))
        .col(text("target_id"))
        // JSON as text: its bytes are hashed, and a JSON type would not keep them.
        .col(text_null("before"))
        .col(text_null("after"))
        .to_owned()
}

fn chain() -> TableCreateStatement {
    Table::create()
        .table("audit_chain")
        .col(ColumnDef::new("seq").big_integer().not_null().primary_key())
        .col(uuid_uniq("entry_id"))
        .col(text_uniq("prev_hash"))
        .col(text("hash"))
        .foreign_key(ForeignKey::create().name("fk_audit_chain_entry").from("audit_chain", "entry_id").to("audit_entries", "id"))
        .to_owned()
}

/// A new entry waits to be sealed; nothing is changed or removed.
fn triggers(backend: DbBackend) -> Vec<String> {
    if backend == DbBackend::Postgres { postgres() } else { sqlite() }
}

fn postgres() -> Vec<String> {
    let functions = "CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$;
        CREATE FUNCTION audit_enqueue() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO audit_unsealed (entry_id) SELECT id FROM added; RETURN NULL; END $$;
        CREATE TRIGGER audit_entries_enqueue AFTER INSERT ON audit_entries
        REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION audit_enqueue()";
    let refuse = |table| {
        format!(
            "CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
        )
    };
    [functions.to_owned()].into_iter().chain(APPEND_ONLY.map(refuse)).collect()
}

fn sqlite() -> Vec<String> {
    let enqueue = "CREATE TRIGGER audit_entries_enqueue AFTER INSERT ON audit_entries
        BEGIN INSERT INTO audit_unsealed (entry_id) VALUES (NEW.id); END";
    // INSERT OR REPLACE removes rows without a DELETE that a trigger would see.
    let replaces =
        [("audit_entries", "id = NEW.id"), ("audit_chain", "seq = NEW.seq OR entry_id = NEW.entry_id OR prev_hash = NEW.prev_hash")];
    let refuse = |table: &str, what: &str, when: &str| {
        let name = what.to_lowercase();
        format!(
            "CREATE TRIGGER {table}_no_{name} BEFORE {what} ON {table} {when}
            BEGIN SELECT RAISE(ABORT, 'table {table} is append-only'); END"
        )
    };
    let changes = APPEND_ONLY.into_iter().flat_map(|table| ["UPDATE", "DELETE"].map(|what| refuse(table, what, "")));
    let replaces = replaces.map(|(table, same)| refuse(table, "INSERT", &format!("WHEN EXISTS (SELECT 1 FROM {table} WHERE {same})")));
    [enqueue.to_owned()].into_iter().chain(changes).chain(replaces).collect()
}
