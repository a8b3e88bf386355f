//! Rules against requests: which one strikes, how often, in which order.

use super::*;

fn failures(operation: &'static str, codes: &[(&str, bool)]) -> Failures {
    let failure = |(code, about_sender): &(&str, bool)| Failure {
        fault: (*code).to_owned(),
        code: (*code).to_owned(),
        status: 200,
        message: String::new(),
        about_sender: *about_sender,
    };
    Failures { operation, content: &["text"], failures: codes.iter().map(failure).collect() }
}

fn faults() -> Faults {
    let catalogue = Catalogue::new([
        ("one", vec![failures("draw", &[("401", true), ("503", false)]), failures("read", &[("503", false)])]),
        ("other", vec![failures("find", &[("45009", false)])]),
    ]);
    Faults::new(catalogue, true)
}

fn add(faults: &Faults, json: &str) -> Result<View, Refused> {
    let spec = spec(json);
    let members: Vec<Arc<str>> = spec.credential.iter().map(|credential| credential.as_str().into()).collect();
    faults.add(spec, &members)
}

fn spec(json: &str) -> Spec {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// What a request meets on its whole way.
fn met(faults: &Faults, operation: &'static str, credential: &str, text: &str) -> String {
    let ids = Ids::seeded(1);
    let asked = |credential| Asked { vendor: if operation == "find" { "other" } else { "one" }, operation, credential };
    let phases = [
        (None, Phase::Arrived),
        (Some(credential), Phase::Admitted),
        (Some(credential), Phase::Read(std::slice::from_ref(&text))),
    ];
    let plans = phases.into_iter().filter_map(|(credential, phase)| faults.strike(asked(credential), phase, &ids));
    plans.map(|plan| plan.to_string()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_rule_strikes_what_it_names_and_nothing_else() {
    for (rule, struck) in [
        (r#"{"fault":"503"}"#, vec!["draw a x", "draw b y", "read a x"]),
        (r#"{"fault":"503","operation":"read"}"#, vec!["read a x"]),
        (r#"{"fault":"reset","vendor":"other"}"#, vec!["find a x"]),
        (r#"{"fault":"503","credential":"b"}"#, vec!["draw b y"]),
        (r#"{"fault":"503","content":{"equals":"y"}}"#, vec!["draw b y"]),
        (r#"{"fault":"503","content":{"prefix":"x"},"operation":"draw"}"#, vec!["draw a x"]),
        (r#"{"fault":"503","content":{"contains":"z"}}"#, vec![]),
        (r#"{"fault":"401"}"#, vec!["draw a x", "draw b y"]),
        (r#"{"fault":"401","credential":"a"}"#, vec!["draw a x"]),
        (r#"{"fault":"401","content":{"equals":"x"}}"#, vec!["draw a x"]),
        (r#"{"fault":"503","probability":0}"#, vec![]),
        (r#"{"fault":"503","probability":1,"operation":"read"}"#, vec!["read a x"]),
    ] {
        let faults = faults();
        add(&faults, rule).expect("a rule");
        let requests = [("draw", "a", "x"), ("draw", "b", "y"), ("read", "a", "x"), ("find", "a", "x")];
        let found = requests
            .into_iter()
            .filter(|(operation, credential, text)| !met(&faults, operation, credential, text).is_empty())
            .map(|(operation, credential, text)| format!("{operation} {credential} {text}"));
        assert_eq!(found.collect::<Vec<_>>(), struck, "{rule}");
    }
}

#[test]
fn a_sequence_fails_and_then_works() {
    let faults = faults();
    add(&faults, r#"{"sequence":["503","latency=1s","pass","503"],"operation":"read"}"#).expect("a rule");
    let outcomes: Vec<_> = (0..6).map(|_| met(&faults, "read", "a", "x")).collect();
    assert_eq!(outcomes, ["503", "latency=1s", "pass", "503", "", ""]);
    let shown = faults.list(None).remove(0);
    assert_eq!((shown.struck, shown.left), (4, Some(0)));
}

#[test]
fn a_fault_strikes_as_often_as_it_says_and_the_latest_rule_first() {
    let faults = faults();
    add(&faults, r#"{"fault":"latency=1s","operation":"read"}"#).expect("a rule");
    add(&faults, r#"{"fault":"503","operation":"read","times":2}"#).expect("a rule");
    let outcomes: Vec<_> = (0..3).map(|_| met(&faults, "read", "a", "x")).collect();
    assert_eq!(outcomes, ["503", "503", "latency=1s"]);
    add(&faults, r#"{"sequence":["503","pass"],"operation":"read","times":0}"#).expect("a rule");
    let outcomes: Vec<_> = (0..4).map(|_| met(&faults, "read", "a", "x")).collect();
    assert_eq!(outcomes, ["503", "pass", "503", "pass"]);
}

#[test]
fn a_probability_holds_over_many_requests() {
    let faults = faults();
    add(&faults, r#"{"fault":"503","operation":"read","probability":0.3}"#).expect("a rule");
    let (ids, asked) = (Ids::seeded(3), Asked { vendor: "one", operation: "read", credential: None });
    let struck = (0..10_000).filter(|_| faults.strike(asked, Phase::Admitted, &ids).is_some()).count();
    assert!((2800..3200).contains(&struck), "{struck}");
}

#[test]
fn rules_that_could_never_strike_are_refused() {
    for (rule, said) in [
        ("{}", "either a fault or a sequence"),
        (r#"{"fault":"503","sequence":["503"]}"#, "either a fault or a sequence"),
        (r#"{"sequence":[]}"#, "1 to 1000"),
        (r#"{"fault":"503","probability":1.5}"#, "1.5 is no probability"),
        (r#"{"fault":"503","operation":"sing"}"#, "one draw, one read, other find"),
        (r#"{"fault":"503","vendor":"one","operation":"find"}"#, "no operation is one find"),
        (r#"{"fault":"404"}"#, r#"has no error "404""#),
        (r#"{"fault":"401","operation":"read"}"#, r#"read has no error "401"; it has 503"#),
        (r#"{"sequence":["401","45009"]}"#, "none in all"),
    ] {
        let refused = add(&faults(), rule).expect_err(rule).to_string();
        assert!(refused.contains(said), "{rule}: {refused}");
    }
    for typo in [r#"{"faults":"503"}"#, r#"{"fault":"latency=soon"}"#, r#"{"fault":"503","content":{"like":"x"}}"#] {
        assert!(serde_json::from_str::<Spec>(typo).is_err(), "{typo}");
    }
}

#[test]
fn clearing_leaves_other_credentials_and_the_settings_alone() {
    let faults = faults();
    faults.add_configured("find", "45009").expect("a rule");
    add(&faults, r#"{"fault":"503","credential":"a"}"#).expect("a rule");
    let second = add(&faults, r#"{"fault":"503","credential":"b"}"#).expect("a rule");
    assert_eq!(faults.clear(Some(&["a".into()])), 1);
    assert_eq!((faults.list(None).len(), faults.list(Some(&["b".into()])).len()), (2, 1));
    assert!(faults.remove(second.id) && !faults.remove(second.id));
    add(&faults, r#"{"fault":"503"}"#).expect("a rule");
    assert_eq!(faults.clear(None), 1);
    assert_eq!(met(&faults, "find", "a", "x"), "45009");
    assert_eq!(met(&faults, "draw", "a", "x"), "");
}

#[test]
fn saved_rules_go_on_where_they_were() {
    let faults = faults();
    add(&faults, r#"{"fault":"latency=1s","operation":"read"}"#).expect("a rule");
    add(&faults, r#"{"fault":"503","operation":"read","times":2}"#).expect("a rule");
    assert_eq!(met(&faults, "read", "a", "x"), "503");
    let saved = faults.save(None);
    assert_eq!(met(&faults, "read", "a", "x"), "503");
    faults.restore(saved, None).expect("rules");
    let outcomes: Vec<_> = (0..2).map(|_| met(&faults, "read", "a", "x")).collect();
    assert_eq!(outcomes, ["503", "latency=1s"]);
}

#[test]
fn an_input_asks_for_a_fault_of_its_operation() {
    let faults = faults();
    for (text, expected) in [
        ("qrstack-fault:503", "503"),
        ("qrstack-fault:401", "401"),
        ("http://qrstack-fault/latency=2s;503", "latency=2s;503"),
        ("qrstack-fault:45009", ""),
        ("qrstack-fault:latency=soon", ""),
        ("qrstack", ""),
    ] {
        assert_eq!(met(&faults, "draw", "a", text), expected, "{text}");
    }
    let twice = "qrstack-fault:reset;times=2";
    let outcomes: Vec<_> = (0..3).map(|_| met(&faults, "draw", "a", twice)).collect();
    assert_eq!(outcomes, ["reset", "reset", ""]);
    assert_eq!(met(&faults, "draw", "b", twice), "reset");
    faults.clear(Some(&["a".into()]));
    assert_eq!(met(&faults, "draw", "a", twice), "reset");
}
