//! How much work a check can become, told before anything is checked: a small schema can keep a checker busy for ever, or lead it
//! deeper than its stack.
use std::collections::{BTreeMap, BTreeSet, HashMap};

use agent_gateway_core::{Error, Result};
use serde_json::Value;

use super::graph::{self, Node, Place};

/// The most levels of a value or of a schema, as the JSON parser has it.
pub(super) const MAX_LEVELS: usize = 128;
/// The most applications of a schema to a value, in one check.
const MAX_WORK: u64 = 4_000_000;
/// The most schemas that are applied inside of one another, in one check.
const MAX_CHAIN: u64 = 600;
/// The most schemas that are applied to the same value inside of one another.
const MAX_SAME_CHAIN: u64 = 100;
/// The most parts of what is known of a schema's effort.
const MAX_PARTS: usize = 200_000;

/// The effort of a schema.
#[derive(Debug)]
pub(super) struct Effort {
    /// For each level of a value: how many schemas may be applied to one value there.
    work: Vec<u64>,
    /// For each level: how many schemas may be under way at once.
    chain: Vec<u64>,
}

/// What one schema leads to, for one value.
#[derive(Debug, Default)]
struct Closure {
    /// How many schemas are applied to the value itself.
    here: u64,
    /// How many of them inside of one another.
    chain: u64,
    /// For each place inside, the schemas there, and how often each is applied.
    places: Vec<Vec<(usize, u64)>>,
}

impl Effort {
    /// What a schema costs at most. `Invalid` when that is too much for any value, or when it never ends.
    pub(super) fn of(schema: &Value) -> Result<Self> {
        let nodes = graph::read(schema)?;
        let closures = closures(&nodes)?;
        let mut effort = Self { work: Vec::new(), chain: Vec::new() };
        let mut level: HashMap<usize, (u64, u64)> =
            closures.iter().map(|(entry, closure)| (*entry, (closure.here, closure.chain))).collect();
        for _ in 0..=MAX_LEVELS {
            let (work, chain) = level.get(&0).copied().unwrap_or_default();
            effort.work.push(work);
            effort.chain.push(chain);
            level = closures.iter().map(|(entry, closure)| (*entry, closure.deeper(&level))).collect();
        }
        if effort.work.first().is_some_and(|work| *work > MAX_WORK) {
            return Err(Error::invalid(
                "the JSON Schema takes too much work to check: its parts refer to one another too often",
            ));
        }
        Ok(effort)
    }

    /// Whether `value` can be checked.
    pub(super) fn allows(&self, value: &Value) -> bool {
        let Some(levels) = levels(value) else { return false };
        let work = levels.iter().zip(&self.work).map(|(count, work)| count.saturating_mul(*work));
        let chain = self.chain.get(levels.len().saturating_sub(1));
        work.fold(0, u64::saturating_add) <= MAX_WORK && chain.is_some_and(|chain| *chain <= MAX_CHAIN)
    }
}

impl Closure {
    /// The work at the worst place one level deeper, and the chain to there.
    fn deeper(&self, level: &HashMap<usize, (u64, u64)>) -> (u64, u64) {
        let of = |node: &usize| level.get(node).copied().unwrap_or_default();
        let work = |place: &Vec<(usize, u64)>| {
            place.iter().map(|(node, times)| of(node).0.saturating_mul(*times)).fold(0, u64::saturating_add)
        };
        let chain = self.places.iter().flatten().map(|(node, _)| of(node).1).max().unwrap_or_default();
        (self.places.iter().map(work).max().unwrap_or_default(), self.chain.saturating_add(chain))
    }
}

/// How many values there are on each level, the value itself on the first; `None` when there are too many levels.
pub(super) fn levels(value: &Value) -> Option<Vec<u64>> {
    let mut counts: Vec<u64> = Vec::new();
    let mut left = vec![(value, 0)];
    while let Some((value, level)) = left.pop() {
        if level > MAX_LEVELS {
            return None;
        }
        if counts.len() == level {
            counts.push(0);
        }
        counts[level] += 1;
        match value {
            Value::Object(map) => left.extend(map.values().map(|inner| (inner, level + 1))),
            Value::Array(items) => left.extend(items.iter().map(|inner| (inner, level + 1))),
            _ => {}
        }
    }
    Some(counts)
}

/// The closures of the root and of every schema that is applied to something inside.
fn closures(nodes: &[Node]) -> Result<BTreeMap<usize, Closure>> {
    let inside = nodes.iter().flat_map(|node| node.at.values().chain(&node.inside)).copied();
    let entries: BTreeSet<usize> = inside.chain([0]).collect();
    let mut applied = Applied { nodes, chains: HashMap::new(), orders: Vec::new() };
    let mut parts = 0;
    let mut closures = BTreeMap::new();
    for entry in entries {
        applied.orders.clear();
        let mut seen = BTreeSet::new();
        let chain = applied.chain(entry, &mut BTreeSet::new(), &mut seen)?;
        let mut times: HashMap<usize, u64> = HashMap::from([(entry, 1)]);
        // Whoever applies a schema comes before it.
        for node in applied.orders.iter().rev() {
            let by = times.get(node).copied().unwrap_or_default();
            for inner in &nodes[*node].same {
                let count = times.entry(*inner).or_default();
                *count = count.saturating_add(by);
            }
        }
        let closure = Closure {
            here: times.values().fold(0, |sum: u64, count| sum.saturating_add(*count)),
            chain,
            places: places(nodes, &times),
        };
        parts += times.len() + closure.places.iter().map(Vec::len).sum::<usize>();
        if parts > MAX_PARTS {
            return Err(Error::invalid("the JSON Schema has too many parts that refer to one another"));
        }
        closures.insert(entry, closure);
    }
    Ok(closures)
}

/// The schemas at each place inside. One that names no place stands in where a schema has none for it.
fn places(nodes: &[Node], times: &HashMap<usize, u64>) -> Vec<Vec<(usize, u64)>> {
    let named: BTreeSet<&Place> = times.keys().flat_map(|node| nodes[*node].at.keys()).collect();
    let anywhere: Vec<_> = times
        .iter()
        .flat_map(|(node, count)| nodes[*node].inside.iter().map(|inner| (*inner, *count)))
        .collect();
    let at = |place: &Place| {
        let of = |(node, count): (&usize, &u64)| {
            let at = &nodes[*node].at;
            let inner = at.get(place).or_else(|| at.get(&place.other()))?;
            Some((*inner, *count))
        };
        times.iter().filter_map(of).chain(anywhere.iter().copied()).collect()
    };
    let mut places: Vec<Vec<_>> = named.into_iter().map(at).collect();
    places.push(anywhere.clone());
    places
}

/// Follows schemas that are applied to the same value.
struct Applied<'a> {
    nodes: &'a [Node],
    chains: HashMap<usize, u64>,
    /// Every schema that was met, behind those that it applies.
    orders: Vec<usize>,
}

impl Applied<'_> {
    /// The longest chain from this schema on. `Invalid` when it comes back to itself.
    fn chain(
        &mut self,
        node: usize,
        under_way: &mut BTreeSet<usize>,
        seen: &mut BTreeSet<usize>,
    ) -> Result<u64> {
        if under_way.len() as u64 > MAX_SAME_CHAIN {
            return Err(Error::invalid(
                "the parts of the JSON Schema refer to one another in too long a chain",
            ));
        }
        if !under_way.insert(node) {
            return Err(Error::invalid(
                "a part of the JSON Schema refers to itself without going deeper into the value, so that no check would end",
            ));
        }
        let mut longest = 0;
        if seen.insert(node) {
            for place in 0..self.nodes[node].same.len() {
                let inner = self.nodes[node].same[place];
                longest = longest.max(self.chain(inner, under_way, seen)?);
            }
            self.orders.push(node);
            self.chains.insert(node, longest + 1);
        }
        under_way.remove(&node);
        Ok(self.chains.get(&node).copied().unwrap_or(longest + 1))
    }
}
