use super::*;

fn fields(value: Value) -> Fields {
    let Value::Object(members) = value else { panic!("an object is needed") };
    Fields::new(members, &["body"])
}

fn kinds(problems: &Problems) -> Vec<&str> {
    problems.0.iter().map(|problem| &*problem.kind).collect()
}

#[test]
fn booleans_are_read_leniently() {
    for (value, expected) in [
        (json!(true), true),
        (json!(0), false),
        (json!(1.0), true),
        (json!("Yes"), true),
        (json!("off"), false),
        (json!("0"), false),
    ] {
        let mut problems = Problems::default();
        assert_eq!(fields(json!({"f": value})).flag(&["f"], &mut problems), expected);
        assert_eq!(problems, Problems::default(), "{value}");
    }
    for (value, kind) in [
        (json!(2), "bool_parsing"),
        (json!("maybe"), "bool_parsing"),
        (json!(null), "bool_type"),
        (json!([]), "bool_type"),
    ] {
        let mut problems = Problems::default();
        fields(json!({"f": value})).flag(&["f"], &mut problems);
        assert_eq!(kinds(&problems), [kind], "{value}");
    }
}

#[test]
fn integers_are_read_leniently() {
    let read = |value: &Value| {
        let mut problems = Problems::default();
        let number = fields(json!({"n": value})).optional_integer("n", 1..=100, &mut problems);
        (number, kinds(&problems).first().map(|kind| (*kind).to_owned()))
    };
    for value in [json!(7), json!(7.0), json!("7"), json!(" +7 "), json!("7.0"), json!("007")] {
        assert_eq!(read(&value), (Some(7), None), "{value}");
    }
    assert_eq!(read(&json!(null)), (None, None));
    for (value, kind) in [
        (json!(7.5), "int_from_float"),
        (json!("7.5"), "int_parsing"),
        (json!("seven"), "int_parsing"),
        (json!(""), "int_parsing"),
        (json!([]), "int_type"),
        (json!(0), "greater_than_equal"),
        (json!(101), "less_than_equal"),
        (json!(u64::MAX), "less_than_equal"),
        (json!("99999999999999999999999"), "less_than_equal"),
        (json!("-99999999999999999999999"), "greater_than_equal"),
        (json!(1e300), "less_than_equal"),
    ] {
        assert_eq!(read(&value), (None, Some(kind.to_owned())), "{value}");
    }
}

#[test]
fn texts_count_characters_not_bytes() {
    let mut problems = Problems::default();
    assert_eq!(fields(json!({"t": "äöü"})).text("t", 1..=3, &mut problems), "äöü");
    assert_eq!(problems, Problems::default());
    fields(json!({"t": "äöüß"})).text("t", 1..=3, &mut problems);
    fields(json!({"t": ""})).text("t", 1..=3, &mut problems);
    fields(json!({"t": 5})).text("t", 1..=3, &mut problems);
    fields(json!({})).text("t", 1..=3, &mut problems);
    assert_eq!(kinds(&problems), ["string_too_long", "string_too_short", "string_type", "missing"]);
}

#[test]
fn errors_show_what_was_sent_only_when_it_is_short() {
    let sent = |value: Value| Problem::new("x", Vec::new(), "x").input(&value).input;
    assert_eq!(sent(json!("short")), Some(json!("short")));
    assert_eq!(sent(json!("x".repeat(300))), None);
    assert_eq!(sent(json!({"deep": {"deeper": 1}})), None);
    assert_eq!(sent(json!(vec![1; 100])), None);
}
