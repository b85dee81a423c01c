//! Router and delivery on both databases, with a clock that stands and a receiver that fails as it is told.

mod faults;
mod times;
pub(crate) mod world;

/// Makes of each test function one test per database.
macro_rules! both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(test_support::Backend::Sqlite).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(test_support::Backend::Postgres).await;
            })+
        }
    };
}
pub(crate) use both;
