//! The loop on both databases, with the orchestrator that accepts its jobs and a clock that the tests set.

mod calendars;
pub(crate) mod faults;
mod times;
pub(crate) mod world;

/// Defines each test twice, in the modules `sqlite` and `postgres`.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(test_support::Backend::Sqlite).await; })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(test_support::Backend::Postgres).await; })*
        }
    };
}
pub(crate) use on_both;
