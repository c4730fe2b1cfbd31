//! One word in four places: a feature of the facade is the suffix of the crate it switches on.

use std::collections::BTreeMap;

const PREFIX: &str = "agent-gateway-";
/// Features that are bundles of others.
const BUNDLES: &[&str] = &["default", "full"];

pub(crate) fn features(features: &BTreeMap<String, Vec<String>>, optional: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (feature, enables) in features {
        if BUNDLES.contains(&feature.as_str()) {
            let strangers = enables.iter().filter(|name| !features.contains_key(name.as_str()));
            found.extend(
                strangers.map(|name| format!("facade bundle `{feature}` names `{name}`, no feature")),
            );
            continue;
        }
        let crate_name = format!("{PREFIX}{feature}");
        if !optional.contains(&crate_name.as_str()) {
            found.push(format!("facade feature `{feature}` has no optional dependency {crate_name}"));
        } else if !enables.contains(&format!("dep:{crate_name}")) {
            found.push(format!("facade feature `{feature}` does not enable dep:{crate_name}"));
        }
    }
    for dependency in optional {
        match dependency.strip_prefix(PREFIX) {
            Some(feature) if features.contains_key(feature) => {}
            Some(feature) => found.push(format!("facade dependency {dependency} has no feature `{feature}`")),
            None => found.push(format!("facade dependency {dependency} is optional but not one of ours")),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row<'a> = (&'a str, &'a [&'a str]);

    fn table(rows: &[Row<'_>]) -> BTreeMap<String, Vec<String>> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        rows.iter().map(|(feature, enables)| ((*feature).to_owned(), owned(enables))).collect()
    }

    #[test]
    fn feature_and_crate_are_one_word() {
        let good = table(&[
            ("default", &["rest"]),
            ("rest", &["dep:agent-gateway-rest"]),
            ("otel", &["dep:agent-gateway-otel", "agent-gateway-http/otel"]),
        ]);
        assert!(features(&good, &["agent-gateway-rest", "agent-gateway-otel"]).is_empty());
    }

    #[test]
    fn a_slip_is_told() {
        let slips: &[(&[Row<'_>], &[&str])] = &[
            (&[("pg", &["dep:agent-gateway-postgres"])], &[]),
            (&[("redis", &["dep:agent-gateway-rabbitmq"])], &["agent-gateway-redis"]),
            (&[], &["agent-gateway-redis"]),
            (&[], &["tracing"]),
            (&[("default", &["rest"])], &[]),
        ];
        for (rows, optional) in slips {
            assert_eq!(features(&table(rows), optional).len(), 1, "{rows:?} {optional:?}");
        }
    }
}
