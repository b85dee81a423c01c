use serde_json::json;

use super::*;
use crate::ids::HookId;

fn rules(json: Value) -> Rules {
    let mut given: BTreeMap<String, Value> = serde_json::from_value(json).unwrap();
    let mut take = |name: &str, empty: Value| given.remove(name).unwrap_or(empty);
    Rules {
        parameters: serde_json::from_value(take("parameters", json!({}))).unwrap(),
        mapping: serde_json::from_value(take("mapping", json!({}))).unwrap(),
        filter: serde_json::from_value(take("filter", json!([]))).unwrap(),
        dedup: serde_json::from_value(take("dedup", json!({}))).unwrap(),
    }
}

fn push(event: &str, reference: &str) -> Incoming {
    let headers = [("x-github-event", event), ("x-github-delivery", "72d3162e")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    Incoming { headers: headers.into(), body: json!({"ref": reference, "after": "6dcb09b", "commits": [{"id": "a"}], "note": null}) }
}

fn github() -> Rules {
    rules(json!({
        "parameters": {"source": "github"},
        "mapping": {
            "branch": {"pointer": "/ref", "required": true}, "event": {"header": "X-GitHub-Event"},
            "first": {"pointer": "/commits/0/id"}, "tag": {"pointer": "/tag", "default": "none"}, "gone": {"pointer": "/gone"}
        },
        "filter": [
            {"header": "X-GitHub-Event", "operator": "eq", "value": "push"},
            {"pointer": "/ref", "operator": "in", "value": ["refs/heads/main", "refs/heads/release"]}
        ],
        "dedup": {"header": "X-GitHub-Delivery"}
    }))
}

fn fields(rules: &Rules, signature: &Signature) -> Vec<String> {
    rules.faults(signature).into_iter().map(|fault| fault.field).collect()
}

#[test]
fn a_request_becomes_parameters() {
    let parameters = github().parameters(&push("push", "refs/heads/main")).unwrap();
    assert_eq!(
        Value::from(parameters),
        json!({"source": "github", "branch": "refs/heads/main", "event": "push", "first": "a", "tag": "none"})
    );
    let whole = rules(json!({"mapping": {"payload": {"pointer": ""}}}));
    assert_eq!(whole.parameters(&push("push", "x")).unwrap()["payload"]["after"], "6dcb09b");
    assert!(Rules::default().parameters(&push("push", "x")).unwrap().is_empty());
}

#[test]
fn a_required_parameter_that_is_missing_or_null_is_named_by_its_place() {
    let strict = rules(json!({"mapping": {
        "a": {"pointer": "/none/here", "required": true}, "b": {"header": "X-None", "required": true}, "c": {"pointer": "/note", "required": true}
    }}));
    let faults = strict.parameters(&push("push", "x")).unwrap_err();
    let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(fields, ["body/none/here", "headers/X-None", "body/note"]);
    assert!(faults[0].message.contains("parameter a"));
    let lax = rules(json!({"mapping": {"c": {"pointer": "/note"}}}));
    assert_eq!(lax.parameters(&push("push", "x")).unwrap()["c"], Value::Null, "a null that is there is a value");
}

#[test]
fn a_request_starts_a_job_when_every_condition_holds() {
    assert_eq!(github().admit(&push("push", "refs/heads/main")), Ok(()));
    let ping = github().admit(&push("ping", "refs/heads/main")).unwrap_err();
    assert_eq!(ping, "headers/X-GitHub-Event does not meet the filter: eq \"push\"");
    let branch = github().admit(&push("push", "refs/heads/next")).unwrap_err();
    assert!(branch.starts_with("body/ref does not meet"), "{branch}");
    assert_eq!(Rules::default().admit(&Incoming::default()), Ok(()));
}

#[test]
fn equal_requests_have_equal_keys() {
    assert_eq!(github().dedup(&push("push", "x")), Ok(Some("72d3162e".to_owned())));
    let bare = Incoming { headers: BTreeMap::new(), ..push("push", "x") };
    assert_eq!(github().dedup(&bare).unwrap_err().field, "headers/X-GitHub-Delivery");
    let places = rules(json!({"dedup": {"pointers": ["/ref", "/commits/0/id"]}}));
    let key = places.dedup(&push("push", "x")).unwrap();
    assert_eq!((key.as_deref(), places.dedup(&push("ping", "x")).unwrap() == key), (Some(r#"["x","a"]"#), true));
    assert_ne!(places.dedup(&push("push", "y")).unwrap(), key);
    assert_eq!(rules(json!({"dedup": {"pointers": ["/ref", "/note"]}})).dedup(&push("push", "x")).unwrap_err().field, "body/note");
    assert_eq!(rules(json!({"dedup": {"pointers": ["/after"]}})).dedup(&push("push", "x")), Ok(Some("6dcb09b".to_owned())));
    assert_eq!(Rules::default().dedup(&push("push", "x")), Ok(None));
}

#[test]
fn a_key_is_short_and_plain() {
    let hash = |text: &str| format!("{:064}", text.len());
    assert_eq!(dedup_key("72d3162e", hash), "72d3162e");
    for long in ["a".repeat(151), "a b".to_owned(), "é".to_owned(), String::new() + "\n"] {
        let key = dedup_key(&long, hash);
        assert_eq!((key.len(), key.starts_with("sha256:")), (71, true));
        assert!(crate::job::IdempotencyKey::parse(job_key(HookId::default(), key)).is_ok());
    }
    assert!(crate::job::IdempotencyKey::parse(job_key(HookId::default(), dedup_key(&"a".repeat(150), hash))).is_ok());
}

#[test]
fn headers_that_the_rules_name_are_kept_and_no_other() {
    let sent =
        BTreeMap::from([("x-github-event", "push"), ("authorization", "Bearer s"), ("cookie", "c"), ("user-agent", "GitHub-Hookshot/1")]);
    let kept = github().kept_headers(|name| sent.get(name).copied());
    assert_eq!(kept.into_iter().collect::<Vec<_>>(), [("user-agent", "GitHub-Hookshot/1"), ("x-github-event", "push")].map(own));
    let long = "a".repeat(5000);
    assert_eq!(github().kept_headers(|_| Some(&long))["user-agent"].len(), 1024);
}

fn own((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn each_fault_of_the_rules_names_its_field() {
    let none = Signature::default();
    assert_eq!(fields(&github(), &none), [""; 0]);
    let bad = rules(json!({
        "parameters": {"a": "\u{0}"},
        "mapping": {
            "b": {}, "c": {"pointer": "x", "default": "\u{0}"}, "d": {"pointer": "/x", "header": "X"}, "e": {"header": "a b"},
            "f": {"header": "Authorization"}, "g": {"pointer": "/x", "required": true, "default": 1}, "": {"pointer": "/x"}
        },
        "filter": [{"operator": "eq", "value": 1}, {"pointer": "/x", "operator": "in", "value": 1}, {"header": "Cookie", "operator": "exists"}],
        "dedup": {"header": "X", "pointers": ["x"]}
    }));
    let expected = [
        "parameters/a",
        "mapping/",
        "mapping/b/pointer",
        "mapping/c/pointer",
        "mapping/c/default",
        "mapping/d/header",
        "mapping/e/header",
        "mapping/f/header",
        "mapping/g/default",
        "filter/0/pointer",
        "filter/1/value",
        "filter/2/header",
        "dedup/pointers",
        "dedup/pointers/0",
    ];
    assert_eq!(fields(&bad, &none), expected);
    let many = Rules {
        mapping: (0..101).map(|nth| (nth.to_string(), Mapped { pointer: Some("/a".into()), ..Mapped::default() })).collect(),
        filter: vec![Filter { pointer: Some("/a".into()), header: None, operator: Operator::Exists, value: None }; 21],
        dedup: Dedup { header: None, pointers: vec!["/a".into(); 9] },
        ..Rules::default()
    };
    assert_eq!(fields(&many, &none), ["mapping", "filter", "dedup/pointers"]);
}

#[test]
fn the_header_with_the_proof_is_for_nothing_else() {
    let signature = Signature { scheme: Scheme::Hmac, header: Some("X-Line-Signature".into()), ..Signature::default() };
    let uses = rules(json!({"mapping": {"a": {"header": "x-line-signature"}}, "dedup": {"header": "X-LINE-SIGNATURE"}}));
    assert_eq!(fields(&uses, &signature), ["mapping/a/header", "dedup/header"]);
    assert_eq!(fields(&uses, &Signature::default()), [""; 0]);
}

#[test]
fn a_signature_has_what_its_scheme_takes() {
    let faults = |json: Value| {
        let signature: Signature = serde_json::from_value(json).unwrap();
        signature.faults().into_iter().map(|fault| fault.field).collect::<Vec<_>>()
    };
    assert_eq!(faults(json!({})), [""; 0]);
    assert_eq!(faults(json!({"scheme": "hmac", "header": "X-Sig", "encoding": "base64", "prefix": "sha256="})), [""; 0]);
    assert_eq!(faults(json!({"scheme": "bearer", "header": "X-Gitlab-Token"})), [""; 0]);
    assert_eq!(faults(json!({"scheme": "hmac"})), ["header"]);
    assert_eq!(faults(json!({"scheme": "hmac", "header": "a b", "prefix": "é"})), ["header", "prefix"]);
    assert_eq!(faults(json!({"scheme": "github", "header": "X", "encoding": "hex", "prefix": "x"})), ["header", "encoding", "prefix"]);
    assert!(serde_json::from_value::<Signature>(json!({"scheme": "none", "algorithm": "sha1"})).is_err());
}
