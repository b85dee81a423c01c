//! Opening channels.

use std::sync::Arc;

use lapin::{Channel, Connection};

/// Opens a channel. lapin never gives a channel number back that the broker closed with an error, and has 2,047 of them: when it has no more
/// on a live connection, the connection is ended, and its successor begins anew.
pub(crate) async fn open(connection: &Arc<Connection>) -> lapin::Result<Channel> {
    let opened = connection.create_channel().await;
    if let Err(error) = &opened
        && connection.status().connected()
    {
        tracing::warn!(%error, "no channel can be opened, connecting anew");
        let connection = connection.clone();
        tokio::spawn(async move {
            // A connection that does not close in order is dead as well, which is the aim.
            let _ = connection.close(200, "no more channels".into()).await;
        });
    }
    opened
}
