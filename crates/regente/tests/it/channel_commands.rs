//! Channels at the command line.

use api_types::{Channel, ChannelShown};
use serde_json::json;

use crate::{
    hub_commands::{done, signed_in},
    process::Place,
};

async fn read<T: serde::de::DeserializeOwned>(place: &Place, arguments: &[&str]) -> T {
    let ended = done(place, &[arguments, &["-o", "json"]].concat()).await;
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

#[tokio::test]
async fn a_channel_is_created_tested_and_changed_as_people_name_it() {
    let (place, hub) = signed_in().await;
    let password = place.write("password", "hunter2-hunter2\n");
    let mut create =
        vec!["channel", "create", "Ops", "email", "--set", "host=nowhere.invalid", "--set", "username=u", "--set", "from=hub@example.com"];
    let secret = format!("password={password}");
    create.extend(["--set", "to=[\"ops@example.com\"]", "--secret-file", &secret, "--language", "en"]);
    let made: ChannelShown = read(&place, &create).await;
    assert_eq!((made.channel.secrets.as_slice(), made.channel.language.as_str()), (&["password".to_owned()][..], "en"));
    let shown = done(&place, &["channel", "show", "Ops"]).await.out;
    assert!(shown.contains("password") && !shown.contains("hunter2"), "{shown}");
    let tried = place.run(&["channel", "test", "Ops"]).await;
    assert_eq!(tried.status.code(), Some(1), "{tried:?}");
    assert!(tried.out.starts_with("The message was not taken after ") && tried.out.contains("nowhere.invalid"), "{tried:?}");
    let changed: Channel = read(&place, &["channel", "update", "Ops", "--name", "Night", "--set", "from_name=Hub", "--disable"]).await;
    assert_eq!(
        (changed.enabled, &changed.settings["host"], &changed.settings["from_name"]),
        (false, &json!("nowhere.invalid"), &json!("Hub"))
    );
    let refused = place.run(&["channel", "update", "Night", "--set", "host=smtp.example.com"]).await;
    assert!(refused.status.code() != Some(0) && refused.err.contains("must be given again"), "{refused:?}");
    let events = done(&place, &["channel", "create", "Events", "webhook", "--set", "url=https://alerts.example.com/in"]).await.out;
    assert!(events.contains("Signing secret (shown this once): whsec_"), "{events}");
    let rotated = done(&place, &["channel", "rotate", "Events"]).await.out;
    assert!(rotated.contains("is rotated") && rotated.contains("whsec_"), "{rotated}");
    assert_eq!(read::<Vec<Channel>>(&place, &["channel", "list", "--kind", "webhook"]).await.len(), 1);
    assert_eq!(done(&place, &["channel", "delete", "Night"]).await.out, "The channel is deleted.\n");
    let missing = place.run(&["channel", "show", "Night"]).await;
    assert!(missing.status.code() != Some(0) && missing.err.contains("there is no channel \"Night\""), "{missing:?}");
    hub.stop().await;
}
