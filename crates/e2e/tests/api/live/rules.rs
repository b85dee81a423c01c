//! What becomes of SLA rules, live.

use api_types::Sla;
use e2e::{Delivery, on_both};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    plain,
    reading::{Read, Sse, Ws},
};
use crate::grants::{automation, domain, grant, user};

on_both!(a_rule_s_events_are_for_those_who_may_see_the_rule);

async fn a_rule_s_events_are_for_those_who_may_see_the_rule(delivery: Delivery) {
    let (world, _source) = plain(delivery).await;
    let finance = domain(&world, "finance").await;
    let mine = automation(&world, "mine", json!({"domain_id": finance.id})).await;
    let ((ana, of_ana), (bob, of_bob)) = (user(&world, "ana").await, user(&world, "bob").await);
    grant(&world, &ana, json!({"right": "viewer", "domain_id": finance.id})).await;
    grant(&world, &bob, json!({"right": "viewer", "automation_id": mine.id})).await;
    let mut all = Sse::open(&world, "?kinds=sla.*").await;
    let mut of_domain = Sse::open(&world, "?kinds=sla.*&domains=finance").await;
    let mut in_domain = Ws::open_as(&world, "?kinds=sla.*", &of_ana).await;
    let mut of_one = Sse::open_as(&world, "?kinds=sla.*", &of_bob).await;
    let create = async |name: &str, target: Value| -> Sla {
        let mut body = json!({"name": name, "alert_on_failure": true});
        body.as_object_mut().unwrap().extend(target.as_object().unwrap().clone());
        world.client.post("/api/v1/slas", &body).await.expect(201).json()
    };
    let _everything = create("everything", json!({})).await;
    let _queue = create("queue", json!({"queue": mine.queue_name})).await;
    let whole = create("domain", json!({"domain_id": finance.id})).await;
    let own = create("own", json!({"automation_id": mine.id})).await;
    let path = |rule: &Sla| format!("/api/v1/slas/{}", rule.id);
    let request = world.client.request(Method::PUT, &path(&whole)).json(&json!({"note": "Call ana."}));
    let _changed = world.client.send(request).await.expect(200);
    let _gone = world.client.send(world.client.request(Method::DELETE, &path(&own))).await.expect(204);
    let every = all.events(6).await;
    let told: Vec<_> = every.iter().map(|(_, event)| (event.kind.as_str(), event.data["name"].as_str().unwrap())).collect();
    let ends = [("sla.created", "domain"), ("sla.created", "own"), ("sla.updated", "domain"), ("sla.deleted", "own")];
    assert_eq!(told, [&[("sla.created", "everything"), ("sla.created", "queue")], &ends[..]].concat());
    let about: Vec<_> = every.iter().map(|(_, event)| ["automation_id", "domain_id", "queue"].map(|of| event.data[of].clone())).collect();
    let (none, finance) = (Value::Null, json!(finance.id));
    assert_eq!(
        about[..4],
        [
            [none.clone(), none.clone(), none.clone()],
            [none.clone(), none.clone(), json!(mine.queue_name)],
            [none.clone(), finance, none.clone()],
            [json!(mine.id), none.clone(), none]
        ]
    );
    assert_eq!(of_domain.events(4).await, every[2..], "by the slug of its domain");
    assert_eq!(in_domain.events(4).await, every[2..]);
    assert_eq!(of_one.events(2).await, [every[3].clone(), every[5].clone()], "no rule of the domain or its queue");
    world.end().await;
}
