//! Hooks at the command line.

use api_types::{Hook, HookDelivery, HookShown};
use serde_json::json;

use crate::{
    hub_commands::{done, signed_in},
    process::Place,
};

async fn refused(place: &Place, arguments: &[&str]) -> String {
    let ended = place.run(arguments).await;
    assert_ne!(ended.status.code(), Some(0), "{arguments:?}: {ended:?}");
    ended.err
}

async fn read<T: serde::de::DeserializeOwned>(place: &Place, arguments: &[&str]) -> T {
    let ended = done(place, &[arguments, &["-o", "json"]].concat()).await;
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

#[tokio::test]
async fn a_hook_is_named_as_people_know_it() {
    let (place, hub) = signed_in().await;
    let script = place.write("data/um.sh", "true");
    for name in ["notas", "outra"] {
        done(&place, &["automation", "create", name, "--script", &script, "--type", "shell"]).await;
    }
    let made: HookShown = read(&place, &["hook", "create", "notas", "Git Hub"]).await;
    let id = made.hook.id.to_string();
    for which in ["Git Hub", &id] {
        assert_eq!(read::<Hook>(&place, &["hook", "show", which]).await.id, made.hook.id, "{which}");
    }
    done(&place, &["hook", "create", "outra", "Git Hub"]).await;
    assert!(refused(&place, &["hook", "pause", "Git Hub"]).await.contains("name one with --automation"));
    let of_one = ["Git Hub", "--automation", "notas"];
    let with = |words: &[&'static str], more: &[&'static str]| [words, &of_one[..], more].concat();
    assert_eq!(done(&place, &with(&["hook", "pause"], &[])).await.out, "Hook Git Hub is paused.\n");
    assert_eq!(done(&place, &with(&["hook", "resume"], &[])).await.out, "Hook Git Hub takes requests again.\n");
    let rotated: HookShown = read(&place, &with(&["hook", "rotate"], &["--keep-old-s", "0"])).await;
    assert_eq!((rotated.hook.id, rotated.token == made.token), (made.hook.id, false));
    let changed: HookShown = read(&place, &with(&["hook", "update"], &["--name", "GitHub", "-p", "source=github"])).await;
    assert_eq!((changed.hook.id, json!(changed.hook.parameters)), (made.hook.id, json!({"source": "github"})));
    assert_eq!(read::<Vec<HookDelivery>>(&place, &["hook", "deliveries", "GitHub"]).await.len(), 0);
    done(&place, &["hook", "create", "notas", "GitHub"]).await;
    assert!(refused(&place, &["hook", "show", "GitHub"]).await.contains("of one automation: give the id"));
    assert_eq!(done(&place, &["hook", "delete", "Git Hub"]).await.out, "The hook is deleted.\n");
    for missing in ["Git Hub", "00000000-0000-0000-0000-000000000001"] {
        assert!(refused(&place, &["hook", "show", missing]).await.contains("hook"), "{missing}");
    }
    assert_eq!(read::<Vec<Hook>>(&place, &["hook", "list"]).await.len(), 2);
    hub.stop().await;
}
