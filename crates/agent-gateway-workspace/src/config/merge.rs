//! Lays one tree over another, key by key, each value keeping its own place.
use std::collections::BTreeMap;

use super::Origin;
use crate::source::node::{Entry, Kind, Node, Place};

/// Lays `over` on `under`: mappings merge, everything else replaces.
pub(super) fn overlay(under: &mut Node, over: Node) {
    match (&mut under.kind, over.kind) {
        (Kind::Map(below), Kind::Map(above)) => {
            for entry in above {
                match below.iter_mut().find(|known| known.key == entry.key) {
                    Some(known) if both_maps(&known.node, &entry.node) => {
                        overlay(&mut known.node, entry.node)
                    }
                    Some(known) => *known = entry,
                    None => below.push(entry),
                }
            }
        }
        (_, kind) => *under = Node { place: over.place, kind },
    }
}

fn both_maps(a: &Node, b: &Node) -> bool {
    matches!((&a.kind, &b.kind), (Kind::Map(_), Kind::Map(_)))
}

/// A tree with one value at the end of a path.
pub(super) fn branch(path: &[String], value: Node) -> Node {
    let place = value.place.clone();
    path.iter().rev().fold(value, |node, key| Node {
        place: place.clone(),
        kind: Kind::Map(vec![Entry { key: key.clone(), place: place.clone(), node }]),
    })
}

/// Where each key comes from: leaves by their own place, sections by that of their first line.
pub(super) fn origins(tree: &Node) -> BTreeMap<String, Origin> {
    let mut origins = BTreeMap::new();
    collect(tree, "", &mut origins);
    origins
}

fn collect(node: &Node, prefix: &str, origins: &mut BTreeMap<String, Origin>) {
    let Kind::Map(entries) = &node.kind else { return };
    for entry in entries {
        let key = if prefix.is_empty() { entry.key.clone() } else { format!("{prefix}.{}", entry.key) };
        collect(&entry.node, &key, origins);
        let origin = match &entry.node.place {
            Place::File { .. } => {
                let Place::File { line, .. } = entry.place else { continue };
                Origin::File { line }
            }
            Place::Variable(name) => Origin::Variable { name: (**name).to_owned() },
        };
        origins.insert(key, origin);
    }
}
