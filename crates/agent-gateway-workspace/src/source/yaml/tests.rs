use serde_json::json;

use super::*;
use crate::source::node::segments;

fn read(text: &str) -> Result<Node, YamlError> {
    parse(text, &"a.md".into(), 2)
}

#[test]
fn keeps_lines_spellings_and_types() {
    let text =
        "name: demo\nversion: 1.10\nlist:\n  - one\n  - two: [1, 2.5, true]\nempty:\nmulti: |\n  a\n  b\n";
    let node = read(text).unwrap();
    let expected = json!({"name": "demo", "version": 1.1, "list": ["one", {"two": [1, 2.5, true]}],
        "empty": null, "multi": "a\nb\n"});
    assert_eq!(node.to_json(), expected);
    let line = |path: &str| match node.place_of(&segments(path)) {
        Place::File { line, .. } => line.unwrap(),
        Place::Variable(_) => 0,
    };
    assert_eq!(["name", "version", "list", "list[1].two", "empty", "multi"].map(line), [2, 3, 4, 6, 7, 8]);
    let Kind::Scalar(version) = &node.entry("version").unwrap().node.kind else { panic!("a scalar") };
    assert_eq!(version.text, "1.10");
}

#[test]
fn plain_yes_and_no_are_booleans_and_quoted_ones_are_not() {
    let node =
        read("a: no\nb: Yes\nc: \"no\"\nd: 'on'\ne: y\nf: [off, OFF, oFF]\ng: &x on\nh: *x\ni: nothing")
            .unwrap();
    let expected = json!({"a": false, "b": true, "c": "no", "d": "on", "e": "y", "f": [false, false, "oFF"],
        "g": true, "h": true, "i": "nothing"});
    assert_eq!(node.to_json(), expected);
}

#[test]
fn nothing_but_comments_is_null() {
    assert_eq!(read("\n  # only this\n").unwrap().kind, Kind::Null);
}

#[test]
fn refuses_what_is_broken_and_names_the_line() {
    for (text, line) in [("a: 1\nb: [1, 2\n", None), ("a: 1\na: 2\n", Some(3)), ("a: 1\n\tb: 2\n", Some(2))] {
        let error = read(text).unwrap_err();
        assert!(!error.message.is_empty());
        assert!(!error.message.contains(" line "), "{error:?}");
        if line.is_some() {
            assert_eq!(error.line, line, "{text:?}: {error:?}");
        }
    }
}

#[test]
fn bombs_are_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let below = level - 1;
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{below}"); 10].join(", ")));
    }
    assert!(read(&bomb).is_err());
    assert!(read(&format!("a: {}", "[".repeat(5000))).is_err());
}
