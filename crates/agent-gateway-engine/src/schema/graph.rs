//! Which schemas of a document are applied where, as a graph: to the same value, or to a value inside it.
use std::collections::{BTreeMap, HashMap};

use agent_gateway_core::{Error, Result};
use serde_json::{Map, Value};

/// The most schemas in one document.
const MAX_NODES: usize = 20_000;
/// Keywords whose schema, or list of schemas, is applied to the same value.
const SAME: &[&str] = &["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];
/// Keywords whose map of schemas is applied to the same value.
const SAME_BY_NAME: &[&str] = &["dependentSchemas", "dependencies"];
/// Keywords whose schema is applied to any value inside, whatever other keywords say.
const INSIDE: &[&str] =
    &["contains", "propertyNames", "unevaluatedProperties", "unevaluatedItems", "contentSchema"];

/// One schema.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Schemas that are applied to the same value.
    pub(super) same: Vec<usize>,
    /// Schemas of what is at one place inside.
    pub(super) at: BTreeMap<Place, usize>,
    /// Schemas of what is anywhere inside.
    pub(super) inside: Vec<usize>,
}

/// A place inside a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The property of this name.
    Property(String),
    /// A property that is not named.
    OtherProperty,
    /// The item of this index.
    Item(usize),
    /// An item that is not counted.
    OtherItem,
}

impl Place {
    /// Where the schema is that stands in for one of this place.
    pub(super) fn other(&self) -> Self {
        match self {
            Self::Property(_) | Self::OtherProperty => Self::OtherProperty,
            Self::Item(_) | Self::OtherItem => Self::OtherItem,
        }
    }
}

/// Reads the schemas that can be reached from the document's root, which is node 0.
pub(super) fn read(document: &Value) -> Result<Vec<Node>> {
    let dialect = document["$schema"].as_str();
    // The word for a schema's name was another one once.
    let id = if dialect.is_some_and(|dialect| dialect.contains("draft-04")) { "id" } else { "$id" };
    let named = Named::of(document, id);
    let mut reader =
        Reader { id, dialect, named, known: HashMap::new(), work: Vec::new(), nodes: Vec::new() };
    reader.node((document, document));
    while let Some((place, schema)) = reader.work.pop() {
        let node = reader.expand(schema)?;
        reader.nodes[place] = node;
        if reader.nodes.len() > MAX_NODES {
            return Err(Error::invalid("the JSON Schema has too many parts").with("limit", MAX_NODES));
        }
    }
    Ok(reader.nodes)
}

/// A schema, and the document that `#` means there.
type Placed<'a> = (&'a Value, &'a Value);

struct Reader<'a> {
    id: &'static str,
    dialect: Option<&'a str>,
    named: Named<'a>,
    known: HashMap<*const Value, usize>,
    work: Vec<(usize, Placed<'a>)>,
    nodes: Vec<Node>,
}

impl<'a> Reader<'a> {
    fn node(&mut self, (schema, document): Placed<'a>) -> usize {
        let is_document = schema[self.id].as_str().is_some_and(|id| !id.starts_with('#'));
        let document = if is_document { schema } else { document };
        *self.known.entry(std::ptr::from_ref(schema)).or_insert_with(|| {
            self.nodes.push(Node::default());
            self.work.push((self.nodes.len() - 1, (schema, document)));
            self.nodes.len() - 1
        })
    }

    fn expand(&mut self, (schema, document): Placed<'a>) -> Result<Node> {
        let mut node = Node::default();
        let Some(map) = schema.as_object() else { return Ok(node) };
        let own = map.get("$schema").and_then(Value::as_str);
        if own.is_some() && own != self.dialect {
            return Err(Error::invalid(
                "a part of the JSON Schema names a $schema of its own, which is not supported",
            ));
        }
        for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
            if let Some(reference) = map.get(keyword).and_then(Value::as_str) {
                for target in self.named.resolve(reference, document)? {
                    node.same.push(self.node(target));
                }
            }
        }
        let same = SAME.iter().filter_map(|keyword| map.get(*keyword)).flat_map(one_or_many);
        let by_name = SAME_BY_NAME.iter().flat_map(|keyword| entries(map, keyword)).map(|(_, schema)| schema);
        for schema in same.chain(by_name) {
            node.same.push(self.node((schema, document)));
        }
        let patterns = entries(map, "patternProperties").map(|(_, schema)| schema);
        for schema in INSIDE.iter().filter_map(|keyword| map.get(*keyword)).chain(patterns) {
            node.inside.push(self.node((schema, document)));
        }
        for (name, schema) in entries(map, "properties") {
            node.at.insert(Place::Property(name.clone()), self.node((schema, document)));
        }
        for (keyword, place) in [
            ("additionalProperties", Place::OtherProperty),
            ("additionalItems", Place::OtherItem),
            ("items", Place::OtherItem),
        ] {
            if let Some(schema) = map.get(keyword).filter(|schema| !schema.is_array()) {
                node.at.insert(place, self.node((schema, document)));
            }
        }
        for items in ["items", "prefixItems"].iter().filter_map(|keyword| map.get(*keyword)?.as_array()) {
            for (place, schema) in items.iter().enumerate() {
                node.at.insert(Place::Item(place), self.node((schema, document)));
            }
        }
        Ok(node)
    }
}

fn one_or_many(value: &Value) -> impl Iterator<Item = &Value> {
    let many = value.as_array().map(|many| many.iter());
    let one = many.is_none().then_some(value);
    many.into_iter().flatten().chain(one)
}

fn entries<'a>(
    map: &'a Map<String, Value>,
    keyword: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
    map.get(keyword).and_then(Value::as_object).into_iter().flatten()
}

/// The schemas that have names: anchors, and documents inside the document.
#[derive(Default)]
struct Named<'a> {
    anchors: HashMap<&'a str, Vec<Placed<'a>>>,
    documents: HashMap<&'a str, &'a Value>,
}

impl<'a> Named<'a> {
    fn of(root: &'a Value, id: &str) -> Self {
        let mut named = Self::default();
        let mut left = vec![(root, root)];
        while let Some((value, document)) = left.pop() {
            let mut document = document;
            if let Some(name) = value[id].as_str() {
                match name.strip_prefix('#') {
                    Some(anchor) => named.anchors.entry(anchor).or_default().push((value, document)),
                    None => {
                        named.documents.insert(name.trim_end_matches('#'), value);
                        document = value;
                    }
                }
            }
            for keyword in ["$anchor", "$dynamicAnchor"] {
                if let Some(anchor) = value[keyword].as_str() {
                    named.anchors.entry(anchor).or_default().push((value, document));
                }
            }
            match value {
                Value::Object(map) => left.extend(map.values().map(|inner| (inner, document))),
                Value::Array(items) => left.extend(items.iter().map(|inner| (inner, document))),
                _ => {}
            }
        }
        named
    }

    /// What a reference means, as far as it can; all schemas of that name where it could be several.
    fn resolve(&self, reference: &str, document: &'a Value) -> Result<Vec<Placed<'a>>> {
        let (name, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        if name.contains("json-schema.org/") {
            // The descriptions of JSON Schema itself are at hand, and harmless.
            return Ok(Vec::new());
        }
        let document = if name.is_empty() {
            document
        } else {
            self.documents.get(name).copied().ok_or_else(|| elsewhere(reference))?
        };
        if fragment.is_empty() {
            return Ok(vec![(document, document)]);
        }
        let found = if fragment.starts_with('/') {
            document.pointer(&unescaped(fragment)).map(|schema| vec![(schema, document)])
        } else {
            self.anchors.get(fragment).cloned()
        };
        found.ok_or_else(|| {
            Error::invalid(format!("the JSON Schema refers to {}, which it does not have", shown(reference)))
        })
    }
}

fn elsewhere(reference: &str) -> Error {
    Error::invalid(format!(
        "the JSON Schema refers to {}, which is outside of it: nothing is fetched, so put what it needs into its $defs",
        shown(reference)
    ))
}

/// A reference, short enough to be shown.
fn shown(reference: &str) -> String {
    let short: String = reference.chars().take(200).collect();
    format!("{short:?}")
}

/// A fragment without its percent signs.
fn unescaped(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digits = (*first == b'%').then(|| tail.get(..2)).flatten();
        let code = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
