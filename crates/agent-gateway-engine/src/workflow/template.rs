//! The input of a step, with references at any depth.
use agent_gateway_core::JsonMap;
use serde_json::Value;

use super::reference::Reference;

/// The most bytes, roughly, that the input of a step comes to.
const MAX_INPUT_BYTES: usize = 1024 * 1024;

/// A value with references in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Template {
    /// Stands for itself.
    Literal(Value),
    /// Stands for what it names.
    Reference(Reference),
    /// A list.
    List(Vec<Self>),
    /// A mapping; its keys are texts.
    Map(Vec<(String, Self)>),
}

/// The values do not fit into the input of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

impl TooLarge {
    /// The sentence for the output of the step.
    pub(super) fn sentence(self) -> String {
        format!("the input of the step is larger than {MAX_INPUT_BYTES} bytes")
    }
}

impl Template {
    /// Reads the input of a step.
    pub(super) fn of(map: &JsonMap) -> Vec<(String, Self)> {
        map.iter().map(|(name, value)| (name.clone(), Self::parse(value))).collect()
    }

    fn parse(value: &Value) -> Self {
        match value {
            Value::String(text) => match Reference::parse(text) {
                Some(reference) => Self::Reference(reference),
                None => Self::Literal(value.clone()),
            },
            Value::Array(items) => Self::List(items.iter().map(Self::parse).collect()),
            Value::Object(map) => Self::Map(Self::of(map)),
            scalar => Self::Literal(scalar.clone()),
        }
    }

    /// The values of `members` with every reference replaced by what it stands for, in its own type.
    pub(super) fn fill(
        members: &[(String, Self)],
        input: &Value,
        steps: &Value,
    ) -> Result<JsonMap, TooLarge> {
        Filling { input, steps, room: MAX_INPUT_BYTES }.map(members)
    }

    /// Tells every reference and every text that is none, with its dotted key below `key`.
    pub(super) fn walk<'t>(members: &'t [(String, Self)], key: &str, tell: &mut dyn FnMut(&str, Found<'t>)) {
        for (name, member) in members {
            member.visit(&format!("{key}.{name}"), tell);
        }
    }

    fn visit<'t>(&'t self, key: &str, tell: &mut dyn FnMut(&str, Found<'t>)) {
        match self {
            Self::Literal(Value::String(text)) => tell(key, Found::Text(text)),
            Self::Literal(_) => {}
            Self::Reference(reference) => tell(key, Found::Reference(reference)),
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.visit(&format!("{key}[{index}]"), tell);
                }
            }
            Self::Map(members) => Self::walk(members, key, tell),
        }
    }
}

/// A text in the input of a step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'t> {
    /// It stands for itself.
    Text(&'t str),
    /// It names a value.
    Reference(&'t Reference),
}

struct Filling<'v> {
    input: &'v Value,
    steps: &'v Value,
    room: usize,
}

impl Filling<'_> {
    fn map(&mut self, members: &[(String, Template)]) -> Result<JsonMap, TooLarge> {
        let mut map = JsonMap::new();
        for (name, member) in members {
            self.take(name.len())?;
            map.insert(name.clone(), self.value(member)?);
        }
        Ok(map)
    }

    fn value(&mut self, template: &Template) -> Result<Value, TooLarge> {
        match template {
            Template::Literal(value) => self.copy(value),
            Template::Reference(reference) => match reference.find(self.input, self.steps) {
                Some(value) => self.copy(value),
                None => Ok(Value::Null),
            },
            Template::List(items) => {
                items.iter().map(|item| self.value(item)).collect::<Result<_, _>>().map(Value::Array)
            }
            Template::Map(members) => self.map(members).map(Value::Object),
        }
    }

    /// A copy, made once there is known to be room for it.
    fn copy(&mut self, value: &Value) -> Result<Value, TooLarge> {
        self.weigh(value)?;
        Ok(value.clone())
    }

    fn weigh(&mut self, value: &Value) -> Result<(), TooLarge> {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => self.take(8),
            Value::String(text) => self.take(text.len() + 2),
            Value::Array(items) => {
                self.take(2)?;
                items.iter().try_for_each(|item| self.weigh(item))
            }
            Value::Object(map) => {
                self.take(2)?;
                map.iter().try_for_each(|(name, member)| {
                    self.take(name.len() + 4)?;
                    self.weigh(member)
                })
            }
        }
    }

    fn take(&mut self, bytes: usize) -> Result<(), TooLarge> {
        self.room = self.room.checked_sub(bytes).ok_or(TooLarge)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn filled(template: &Value, input: &Value, steps: &Value) -> Result<Value, TooLarge> {
        Template::fill(&Template::of(template.as_object().unwrap()), input, steps).map(Value::Object)
    }

    #[test]
    fn references_at_any_depth_keep_the_types_of_their_values() {
        let template = json!({
            "n": "$.input.n",
            "nested": {"list": ["$.input.flag", 1, {"deep": "$.steps.one.output"}]},
            "text": "n is $.input.n",
            "$.input.n": "keys are texts",
            "gone": "$.input.gone",
        });
        let input = json!({"n": 5, "flag": true});
        let steps = json!({"one": {"output": {"a": [1.5, null]}}});
        let expected = json!({
            "n": 5,
            "nested": {"list": [true, 1, {"deep": {"a": [1.5, null]}}]},
            "text": "n is $.input.n",
            "$.input.n": "keys are texts",
            "gone": null,
        });
        assert_eq!(filled(&template, &input, &steps), Ok(expected));
    }

    #[test]
    fn values_that_would_grow_without_end_are_refused() {
        let large = json!({"x": "a".repeat(600_000)});
        assert!(filled(&json!({"x": "$.input.x"}), &large, &json!({})).is_ok());
        let twice = json!({"x": ["$.input.x", "$.input.x"]});
        assert_eq!(filled(&twice, &large, &json!({})), Err(TooLarge));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[$.a-z\\[\\]0-9]{0,10}".prop_map(Value::from),
            "\\$\\.(input|steps)\\.[a-c.\\[\\]0-9]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-c]{1,2}", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// What a template comes to, said in another way.
    fn expected(template: &Value, input: &Value, steps: &Value) -> Value {
        match template {
            Value::String(text) => match Reference::parse(text) {
                Some(reference) => reference.find(input, steps).cloned().unwrap_or_default(),
                None => template.clone(),
            },
            Value::Array(items) => items.iter().map(|item| expected(item, input, steps)).collect(),
            Value::Object(map) => {
                map.iter().map(|(name, item)| (name.clone(), expected(item, input, steps))).collect()
            }
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn only_whole_texts_are_replaced(template in any_json(), input in any_json(), steps in any_json()) {
            let template = json!({"x": template});
            let come_to = filled(&template, &input, &steps);
            prop_assert_eq!(come_to, Ok(expected(&template, &input, &steps)));
        }
    }
}
