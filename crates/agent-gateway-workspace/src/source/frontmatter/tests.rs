use proptest::prelude::*;

use super::*;

fn yaml(text: &str, line: u32) -> Head {
    Head::Yaml { text: text.into(), line }
}

#[test]
fn reads_the_forms_of_the_spec() {
    let cases = [
        ("---\na: 1\n---\nbody", yaml("a: 1\n", 2), "body"),
        ("-----  \na: 1\n---\n\nbody\n\n", yaml("a: 1\n", 2), "body"),
        ("\u{feff}---\r\na: 1\r\n---\r\none\r\ntwo", yaml("a: 1\n", 2), "one\ntwo"),
        ("\n\n---\na: 1\n---\nbody", yaml("a: 1\n", 4), "body"),
        ("---\na: 1\n---\none\n---\ntwo", yaml("a: 1\n", 2), "one\n---\ntwo"),
        ("---\n---\nbody", yaml("", 2), "body"),
        ("---\na: 1\n---", yaml("a: 1\n", 2), ""),
        ("just text\n---\nmore", Head::None, "just text\n---\nmore"),
        ("+++\na = 1\n+++\nbody", Head::None, "+++\na = 1\n+++\nbody"),
        ("-- not a fence", Head::None, "-- not a fence"),
        ("{\n\"a\": 1\n}\nbody", Head::Json { text: "{\n\"a\": 1\n}".into(), line: 1 }, "body"),
        ("", Head::None, ""),
    ];
    for (text, head, body) in cases {
        assert_eq!(split(text), Parts { head, body: body.into() }, "{text:?}");
    }
}

#[test]
fn an_open_fence_leaks_nothing_into_the_body() {
    assert_eq!(split("\n---\nenabled: false\nbody").head, Head::Unclosed { line: 2 });
    assert_eq!(split("---\nenabled: false\nbody").body, "");
}

#[test]
fn an_open_fence_without_settings_is_a_rule() {
    for text in
        ["---\nBe kind.\n\nenabled: no", "---", "---\n- a: b", "---\n: x", "---\nat 12:30 we meet", "{\nx"]
    {
        assert_eq!(split(text), Parts { head: Head::Rule { line: 1 }, body: text.into() }, "{text:?}");
    }
    for text in [
        "---\n\n# x\nenabled: no",
        "---\na.b-c_d:",
        "---\nschlüssel : 1",
        "---\n'a':1",
        "{\n\"a\":1",
        "{\n {a: 1}",
    ] {
        assert_eq!(split(text).head, Head::Unclosed { line: 1 }, "{text:?}");
    }
}

proptest! {
    #[test]
    fn never_panics(text in "\\PC*|[-{}\\n\\r a:\u{feff}é]{0,60}") {
        let _ = split(&text);
    }

    #[test]
    fn keeps_the_body(head in "([a-z]{1,5}: [a-z0-9]{0,5}\n){0,4}", body in "[-{}\\n a-zé#]{0,80}") {
        let parts = split(&format!("---\n{head}---\n{body}"));
        prop_assert_eq!(parts.head, yaml(&head, 2));
        prop_assert_eq!(parts.body, body.trim());
    }

    #[test]
    fn text_without_a_fence_is_all_body(body in "[a-zé#][-{}\\n a-zé#]{0,80}") {
        prop_assert_eq!(split(&body), Parts { head: Head::None, body: body.trim().into() });
    }
}
