//! What schemas do and what they are refused for.
use super::*;

#[test]
fn a_schema_that_points_elsewhere_is_refused() {
    for schema in [json!({"$ref": "http://127.0.0.1:1/x.json"}), json!({"$ref": "file:///etc/passwd"})] {
        assert!(Schema::compile(&schema).is_err(), "{schema}");
    }
}

#[test]
fn violations_name_their_place() {
    let schema =
        Schema::compile(&json!({"required": ["x"], "properties": {"n": {"type": "integer"}}})).unwrap();
    let errors = schema.check(&json!({"n": "one"}), &["body", "input"]);
    let places: Vec<_> = errors.iter().map(|error| (json!(error.loc), error.kind.as_str())).collect();
    assert!(places.contains(&(json!(["body", "input", "x"]), "missing")), "{places:?}");
    assert!(places.contains(&(json!(["body", "input", "n"]), "type")), "{places:?}");
}

#[test]
fn answers_are_read_through_one_fence() {
    let schema = OutputSchema::compile(json!({"type": "object"})).unwrap();
    for text in ["{\"a\":1}", " ```json\n{\"a\":1}\n``` ", "```\n{\"a\":1}"] {
        assert_eq!(schema.read(text).unwrap(), json!({"a": 1}), "{text}");
    }
    assert!(schema.read("[1]").is_err());
    assert!(schema.read("sorry").is_err());
}

#[test]
fn a_catastrophic_pattern_is_checked_in_linear_time() {
    let schema = Schema::compile(&json!({"pattern": "^(a+)+$"})).unwrap();
    assert!(!schema.check(&json!(format!("{}b", "a".repeat(50_000))), &[]).is_empty());
}

fn refused(schema: &Value) -> String {
    Schema::compile(schema).unwrap_err().to_string()
}

/// A value with so many levels.
fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| Value::Object([("a".to_owned(), inner)].into_iter().collect()))
}

#[test]
fn what_is_no_schema_is_refused_with_its_reason() {
    for (schema, reason) in [
        (json!("object"), "a JSON Schema is an object"),
        (json!([]), "a JSON Schema is an object"),
        (json!({"type": "strin"}), "strin"),
        (json!({"properties": 7}), "not a usable JSON Schema"),
        (json!({"pattern": "("}), "pattern"),
        (json!({"$ref": "#/$defs/none"}), "\"#/$defs/none\", which it does not have"),
        (json!({"$ref": "#nowhere"}), "\"#nowhere\", which it does not have"),
        (json!({"$ref": "other.json"}), "nothing is fetched"),
        (json!({"properties": {"a": {"$ref": "https://example.com/x.json"}}}), "nothing is fetched"),
        (json!({"$ref": "file:///etc/passwd"}), "nothing is fetched"),
        (json!({"description": "x".repeat(300_000)}), "too large"),
        ((0..1000).fold(json!(true), |inner, _| json!({"not": inner})), "nested too deeply"),
    ] {
        let said = refused(&schema);
        assert!(said.contains(reason) && said.len() < 600, "{reason}: {said}");
    }
}

#[test]
fn a_schema_that_never_comes_to_an_end_is_refused() {
    let defs = json!({"a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}});
    for schema in [
        json!({"$ref": "#"}),
        json!({"anyOf": [{"type": "string"}, {"$ref": "#"}]}),
        json!({"$defs": defs, "properties": {"x": {"$ref": "#/$defs/a"}}}),
        json!({"$dynamicAnchor": "me", "not": {"$dynamicRef": "#me"}}),
        json!({"$id": "http://x/y", "if": {"$ref": "http://x/y"}}),
    ] {
        assert!(refused(&schema).contains("refers to itself"), "{schema}");
    }
}

#[test]
fn a_recursive_schema_holds_for_finite_values() {
    let tree = json!({
        "$defs": {"node": {
            "type": "object", "required": ["v"], "additionalProperties": false,
            "properties": {
                "v": {"type": "integer"},
                "left": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                "right": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                "more": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
        }},
        "$ref": "#/$defs/node",
    });
    let schema = Schema::compile(&tree).unwrap();
    let grow = |levels: usize, leaf: Value| {
        (0..levels).fold(leaf, |inner, v| json!({"v": v, "left": inner, "right": null, "more": [{"v": 1}]}))
    };
    assert_eq!(schema.check(&grow(60, json!({"v": 0})), &[]), []);
    assert_eq!(schema.check(&grow(60, json!({"v": "x"})), &[]).len(), 1);

    let whole = Schema::compile(&json!({"type": "object", "properties": {"a": {"$ref": "#"}}})).unwrap();
    assert_eq!(whole.check(&nested(100), &[])[0].kind, "type");
    for levels in [129, 10_000] {
        // Dropping it would be too deep for the stack.
        let value = std::mem::ManuallyDrop::new(nested(levels));
        assert_eq!(whole.check(&value, &["body"])[0].kind, "too_complex", "{levels}");
    }
}

#[test]
fn a_schema_that_doubles_its_work_is_refused_or_its_value_is() {
    let next = |place: usize| json!({"$ref": format!("#/$defs/d{place}")});
    let doubling = |make: &dyn Fn(usize) -> Value| {
        let mut defs: serde_json::Map<String, Value> =
            (0..40).map(|place| (format!("d{place}"), make(place + 1))).collect();
        defs.insert("d40".to_owned(), json!({"type": "string"}));
        json!({"$defs": defs, "$ref": "#/$defs/d0"})
    };
    assert!(
        refused(&doubling(&|place| json!({"anyOf": [next(place), next(place)]}))).contains("too much work")
    );

    // It costs nothing as long as nothing is inside.
    let inside =
        |place| json!({"anyOf": [{"properties": {"a": next(place)}}, {"properties": {"a": next(place)}}]});
    let schema = Schema::compile(&doubling(&inside)).unwrap();
    assert_eq!(schema.check(&nested(3), &[]), []);
    assert_eq!(schema.check(&nested(39), &[])[0].kind, "too_complex");

    // Branches that lead to different places do not add up.
    let branch = |name: &str| json!({"properties": {name: {"$ref": "#"}}, "required": [name]});
    let union = json!({"anyOf": [branch("a"), branch("b"), branch("c"), {"type": "integer"}]});
    assert_eq!(Schema::compile(&union).unwrap().check(&nested(100), &[]), []);
}

#[test]
fn a_long_chain_of_schemas_does_not_reach_the_end_of_the_stack() {
    let link = |place: usize| json!({"allOf": [{"$ref": format!("#/$defs/d{place}")}]});
    let chain = |length: usize| {
        let mut defs: serde_json::Map<String, Value> =
            (0..length).map(|place| (format!("d{place}"), link(place + 1))).collect();
        let inner = json!({"type": ["object", "integer"], "properties": {"a": {"$ref": "#"}}});
        defs.insert(format!("d{length}"), inner);
        Schema::compile(&json!({"$defs": defs, "$ref": "#/$defs/d0"}))
    };
    assert!(chain(5000).unwrap_err().to_string().contains("too long a chain"));
    let schema = chain(40).unwrap();
    assert_eq!(schema.check(&nested(5), &[]), []);
    assert_eq!(schema.check(&nested(120), &[])[0].kind, "too_complex");
}

#[test]
fn violations_are_short_whatever_the_value() {
    let schema = Schema::compile(&json!({"additionalProperties": {"type": "string"}})).unwrap();
    let huge: Vec<u32> = vec![7; 100_000];
    let value = json!({"x".repeat(100_000): huge, "y": huge});
    let errors = schema.check(&value, &["body"]);
    assert_eq!(errors.len(), 2);
    assert!(errors.iter().all(|error| error.to_string().len() < 700), "{}", errors[0].msg.len());
}

#[test]
fn names_inside_a_schema_are_found_and_fit_each_other() {
    let parts = json!({
        "$id": "https://example.com/order.json",
        "$defs": {
            "name": {"$anchor": "name", "type": "string"},
            "a b": {"$id": "item.json", "$defs": {"n": {"type": "integer"}}, "properties": {"n": {"$ref": "#/$defs/n"}}},
        },
        "properties": {"name": {"$ref": "#name"}, "item": {"$ref": "#/$defs/a%20b"}, "same": {"$ref": "item.json"}},
    });
    let schema = Schema::compile(&parts).unwrap();
    assert_eq!(schema.check(&json!({"name": "x", "item": {"n": 1}, "same": {"n": 2}}), &[]), []);
    assert_eq!(schema.check(&json!({"name": 1, "item": {"n": "x"}, "same": {"n": "x"}}), &[]).len(), 3);
    assert!(Schema::compile(&json!({"$ref": "https://json-schema.org/draft/2020-12/schema"})).is_ok());
}
