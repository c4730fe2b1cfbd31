use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::source::yaml;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Sample {
    text: String,
    flag: bool,
    port: u16,
    ratio: f64,
    list: Vec<String>,
    items: Vec<Item>,
    maybe: Option<String>,
    mode: Mode,
    any: Value,
    nested: Nested,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Item {
    name: String,
    #[serde(default)]
    size: u32,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Nested {
    depth: u32,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Sync,
    Async,
}

fn read(text: &str) -> (Sample, Vec<String>) {
    let mut node = yaml::parse(text, &"f".into(), 1).unwrap();
    let decoded = decode::<Sample>(&mut node);
    let shown = decoded.problems.iter().map(|problem| {
        let Place::File { line, .. } = &problem.place else { panic!("a file") };
        format!("{} {} {:?}", line.unwrap_or(0), problem.key, problem.nature)
    });
    (decoded.value, shown.collect())
}

#[test]
fn scalars_are_read_as_people_write_them() {
    let (sample, problems) =
        read("text: 1.10\nflag: 'Yes'\nport: '8000'\nratio: 1\nmaybe: 0123\nany: {a: 1, b: [x]}\n");
    let expected = Sample {
        text: "1.10".into(),
        flag: true,
        port: 8000,
        ratio: 1.0,
        maybe: Some("0123".into()),
        any: json!({"a": 1, "b": ["x"]}),
        ..Sample::default()
    };
    assert_eq!(sample, expected);
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn everything_wrong_is_reported_and_the_rest_is_read() {
    let text = "text: [a]\nflag: maybe\nport: 70000\nlist:\n  - a\n  - {b: c}\nitems:\n  - {size: 1}\n  - name: x\n    \
                size: big\nmode: asnyc\nnested:\n  dept: 1\n  depth: 2\nother: 1\n";
    let (sample, mut problems) = read(text);
    problems.sort_by_key(|problem| problem.split(' ').next().unwrap().parse::<u32>().unwrap());
    let expected = [
        "1 text WrongValue",
        "2 flag WrongValue",
        "3 port WrongValue",
        "6 list[1] WrongValue",
        "8 items[0] WrongValue",
        "10 items[1].size WrongValue",
        "11 mode WrongValue",
        "13 nested.dept UnknownKey",
        "15 other UnknownKey",
    ];
    assert_eq!(problems, expected);
    assert_eq!(sample.list, ["a"]);
    assert_eq!(sample.items, [Item { name: "x".into(), size: 0 }]);
    assert_eq!(sample.nested, Nested { depth: 2 });
}

#[test]
fn old_booleans_and_missing_values_are_named() {
    let (sample, problems) = read("flag: on\ntext:\nmaybe:\nnested:\n");
    assert!(sample.flag);
    assert_eq!(problems, ["2 text NoValue", "4 nested NoValue", "1 flag OldBoolean"]);
}

#[test]
fn a_message_never_repeats_a_text() {
    let mut node = yaml::parse("flag: hunter2\nport: hunter2\nitems: hunter2", &"f".into(), 1).unwrap();
    let decoded = decode::<Sample>(&mut node);
    assert_eq!(decoded.problems.len(), 3);
    assert!(!format!("{decoded:?}").contains("hunter2"));
}

#[test]
fn slips_get_a_hint() {
    let mut node = yaml::parse("prot: 1\nmode: asnyc", &"f".into(), 1).unwrap();
    let hints: Vec<_> =
        decode::<Sample>(&mut node).problems.into_iter().map(|problem| problem.hint).collect();
    assert_eq!(hints, ["did you mean `async`?", "did you mean `port`?"]);
}
