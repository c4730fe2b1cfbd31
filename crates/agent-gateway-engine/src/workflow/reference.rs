//! References: how the input of a step names what the workflow was given and what earlier steps came to.
use serde_json::Value;

/// `$.input.<path>` or `$.steps.<path>`. A text is one only as a whole; within a text nothing is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) root: Root,
    /// At least one.
    path: Vec<Segment>,
}

/// What a reference reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// What the workflow was given.
    Input,
    /// What its steps came to.
    Steps,
}

/// One part of a path: a member, and maybe one item of what that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    key: String,
    index: Index,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Index {
    /// The member itself.
    Whole,
    /// This item of it.
    Item(usize),
    /// An item that no list has.
    OutOfReach,
}

impl Reference {
    /// Reads a text; `None` when it stands for itself.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (root, path) = match text.strip_prefix("$.")?.split_once('.')? {
            ("input", path) => (Root::Input, path),
            ("steps", path) => (Root::Steps, path),
            _ => return None,
        };
        // A block of YAML ends with a line break.
        let path = path.strip_suffix('\n').unwrap_or(path);
        if path.is_empty() || path.contains('\n') {
            return None;
        }
        Some(Self { root, path: path.split('.').map(Segment::parse).collect() })
    }

    /// The member of its root that it begins with.
    pub(super) fn first(&self) -> &str {
        self.path.first().map_or("", |segment| &segment.key)
    }

    /// Whether it looks for something else in a step than `output`, and so never finds anything.
    pub(super) fn misses_output(&self) -> bool {
        let [step, rest @ ..] = self.path.as_slice() else { return false };
        let names_another = rest.first().is_some_and(|segment| segment.key != "output");
        self.root == Root::Steps && (step.index != Index::Whole || names_another)
    }

    /// What it stands for; `None` where something on its way is missing.
    pub(super) fn find<'v>(&self, input: &'v Value, steps: &'v Value) -> Option<&'v Value> {
        let root = match self.root {
            Root::Input => input,
            Root::Steps => steps,
        };
        self.path.iter().try_fold(root, |value, segment| {
            let member = value.as_object()?.get(&segment.key)?;
            match segment.index {
                Index::Whole => Some(member),
                Index::Item(index) => member.as_array()?.get(index),
                Index::OutOfReach => None,
            }
        })
    }
}

impl Segment {
    /// `key[n]` where the key is a word; everything else is a key as it is.
    fn parse(text: &str) -> Self {
        let whole = || Self { key: text.to_owned(), index: Index::Whole };
        let Some((key, digits)) = text.strip_suffix(']').and_then(|rest| rest.split_once('[')) else {
            return whole();
        };
        let is_word = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_');
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_word || !is_number {
            return whole();
        }
        Self { key: key.to_owned(), index: digits.parse().map_or(Index::OutOfReach, Index::Item) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn resolved(text: &str) -> Value {
        let input = json!({"b": {"c": [10, 20]}, "x-y": "hyphen", "my-list": [1], "arr": [5], "": {"a": 1}});
        let steps = json!({
            "par": {"output": ["r0", {"k": "r1"}]},
            "s-1": {"output": {"result": 3}},
        });
        match Reference::parse(text) {
            Some(reference) => reference.find(&input, &steps).cloned().unwrap_or(Value::Null),
            None => Value::String(text.to_owned()),
        }
    }

    #[test]
    fn references_mean_what_the_table_says() {
        let literal = |text: &'static str| (text, json!(text));
        let table = [
            ("$.input.b.c[1]", json!(20)),
            ("$.input.x-y", json!("hyphen")),
            ("$.steps.s-1.output.result", json!(3)),
            ("$.steps.par.output[0]", json!("r0")),
            ("$.steps.par.output[1].k", json!("r1")),
            ("$.steps.par[0].output", Value::Null),
            ("$.input.my-list[0]", Value::Null),
            ("$.input.arr.0", Value::Null),
            ("$.input.b.c[1][0]", Value::Null),
            ("$.input.missing", Value::Null),
            ("$.input.b.c[2]", Value::Null),
            ("$.input.b.c[99999999999999999999999]", Value::Null),
            ("$.input.b.c[-1]", Value::Null),
            ("$.input.b.c[]", Value::Null),
            ("$.input.b[0]", Value::Null),
            ("$.input.x-y.z", Value::Null),
            ("$.input..a", json!(1)),
            ("$.steps.s-1.output.result\n", json!(3)),
            ("$.steps.none.output", Value::Null),
            ("$.input.b", json!({"c": [10, 20]})),
            literal("$.input"),
            literal("$.input."),
            literal("$.other.x"),
            literal("x $.input.b"),
            literal(" $.input.b"),
            literal("$.input.b\nx"),
            literal("$.input.\n"),
            literal("$input.b"),
            literal("$.inputs.b"),
            literal(""),
            literal("$."),
        ];
        for (text, expected) in table {
            assert_eq!(resolved(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_reference_as_a_whole_or_not_at_all(text in "(\\$\\.(input|steps|other))?[.a-z0-9_\\[\\]$ \n-]{0,12}|.*") {
            let rest = text.strip_prefix("$.input.").or_else(|| text.strip_prefix("$.steps."));
            let rest = rest.map(|rest| rest.strip_suffix('\n').unwrap_or(rest));
            let is_reference = rest.is_some_and(|rest| !rest.is_empty() && !rest.contains('\n'));
            prop_assert_eq!(Reference::parse(&text).is_some(), is_reference);
            if !is_reference {
                prop_assert_eq!(resolved(&text), Value::String(text));
            } else {
                let _never_panics = resolved(&text);
            }
        }

        #[test]
        fn what_stands_before_a_reference_makes_it_a_text(before in "[^$]{1,5}", path in "[a-z]{1,5}") {
            let text = format!("{before}$.input.{path}");
            prop_assert_eq!(Reference::parse(&text), None);
        }
    }
}
