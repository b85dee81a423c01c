use sea_orm_migration::{
    prelude::*,
    schema::*,
    sea_orm::{
        JsonValue,
        prelude::{ChronoDateTimeUtc, Uuid},
    },
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Calendars that every hub begins with. They are rows like any other: people change, rename and delete them.
const FIRST: [(u128, &str, &str); 2] = [
    (0x019a_c000_0000_7000_8000_0000_0000_0001, "Brasil (nacional)", "br"),
    (0x019a_c000_0000_7000_8000_0000_0000_0002, "Brasil (bancos)", "br-bank"),
];
/// 2026-11-26 00:00 UTC.
const ADDED_S: i64 = 1_795_651_200;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("calendars")
            .col(ColumnDef::new("id").uuid().not_null().primary_key())
            .col(text_uniq("name"))
            .col(json_binary("week"))
            .col(json_binary("holidays"))
            .col(json_binary("days"))
            .col(json_binary("blackouts"))
            .col(integer("day_count"))
            .col(integer("blackout_count"))
            .col(big_integer("revision"))
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone("updated_at"))
            .col(text_null("updated_by"))
            .to_owned();
        manager.create_table(table).await?;
        let columns = [
            "id",
            "name",
            "week",
            "holidays",
            "days",
            "blackouts",
            "day_count",
            "blackout_count",
            "revision",
            "created_at",
            "updated_at",
            "updated_by",
        ];
        let mut rows = Query::insert().into_table("calendars").columns(columns).to_owned();
        for first in FIRST {
            rows.values_panic(row(first).map(Into::into));
        }
        manager.execute(rows).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("calendars").to_owned()).await
    }
}

fn row((id, name, holidays): (u128, &str, &str)) -> [Value; 12] {
    let list = |items: &[&str]| JsonValue::Array(items.iter().map(|item| JsonValue::from(*item)).collect());
    let all_day = || list(&["00:00-24:00"]);
    let week = JsonValue::Array(vec![list(&[]), all_day(), all_day(), all_day(), all_day(), all_day(), list(&[])]);
    let added = ChronoDateTimeUtc::from_timestamp(ADDED_S, 0).unwrap_or_default();
    [
        Uuid::from_u128(id).into(),
        name.into(),
        week.into(),
        list(&[holidays]).into(),
        JsonValue::Object(Default::default()).into(),
        list(&[]).into(),
        0_i32.into(),
        0_i32.into(),
        1_i64.into(),
        added.into(),
        added.into(),
        Option::<String>::None.into(),
    ]
}
