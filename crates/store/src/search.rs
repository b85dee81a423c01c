//! Search in columns of text.

use sea_orm::{
    ColumnTrait, Condition,
    sea_query::{Expr, ExprTrait, Func, LikeExpr},
};

/// Condition that a column has this text in it, whatever its case. SQLite, and PostgreSQL in the locale C, know the case of A to Z alone: the
/// text as it is given is found all the same.
pub(crate) fn has_text(column: impl ColumnTrait, text: &str) -> Condition {
    let pattern = |text: &str| {
        let literal: String = text.chars().flat_map(|c| matches!(c, '%' | '_' | '\\').then_some('\\').into_iter().chain([c])).collect();
        LikeExpr::new(format!("%{literal}%")).escape('\\')
    };
    let cell = || Expr::col(column);
    Condition::any().add(cell().like(pattern(text))).add(Func::lower(cell()).like(pattern(&text.to_lowercase())))
}
