//! What is known of models: prices, and how much they write at most. The table is `models.tsv` beside this file.
use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use agent_gateway_core::{capability::Price, config::ModelPrice};

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Facts {
    price: Price,
    max_output: Option<u32>,
}

#[derive(Debug, Default)]
struct Table {
    /// By `provider/model`.
    full: HashMap<&'static str, Facts>,
    /// By the model alone; `None` where two providers ask different prices for one name.
    bare: HashMap<&'static str, Option<Price>>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::default();
    for (name, facts) in include_str!("models.tsv").lines().filter_map(row) {
        table.full.insert(name, facts);
        let bare = name.split_once('/').map_or(name, |(_, model)| model);
        let known = table.bare.entry(bare).or_insert(Some(facts.price));
        if *known != Some(facts.price) {
            *known = None;
        }
    }
    table
});

fn row(line: &'static str) -> Option<(&'static str, Facts)> {
    if line.starts_with('#') {
        return None;
    }
    let mut cells = line.split('\t');
    let name = cells.next()?;
    let mut number = || cells.next()?.parse().ok();
    let price = Price { input: number()?, cached_input: number()?, output: number()? };
    Some((name, Facts { price, max_output: cells.next()?.parse().ok() }))
}

/// The most tokens that `model` of `provider` writes in one answer, when that is known.
pub(crate) fn max_output(provider: &str, model: &str) -> Option<u32> {
    TABLE.full.get(format!("{provider}/{model}").as_str())?.max_output
}

/// Prices by model: the operator's first, then the embedded table. An unknown model has none.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    overrides: BTreeMap<String, Price>,
}

impl Prices {
    /// The embedded table, and `overrides` by `provider/model` or by the bare model name.
    #[must_use]
    pub fn new(overrides: &BTreeMap<String, ModelPrice>) -> Self {
        let price = |given: &ModelPrice| Price {
            input: given.input,
            cached_input: given.cached_input.unwrap_or(given.input),
            output: given.output,
        };
        Self { overrides: overrides.iter().map(|(name, given)| (name.clone(), price(given))).collect() }
    }

    /// The price of `model` at `provider`. Another provider's price for the same name is not taken.
    #[must_use]
    pub fn of(&self, provider: &str, model: &str) -> Option<Price> {
        let full = format!("{provider}/{model}");
        let set = self.overrides.get(&full).or_else(|| self.overrides.get(model)).copied();
        set.or_else(|| Some(TABLE.full.get(full.as_str())?.price))
    }

    /// The price of a model of which only the name is known, such as one that a provider gave with its answer. A name that
    /// several providers sell at different prices has none.
    #[must_use]
    pub fn of_name(&self, name: &str) -> Option<Price> {
        let set = self.overrides.get(name).copied();
        set.or_else(|| TABLE.full.get(name).map(|facts| facts.price)).or_else(|| *TABLE.bare.get(name)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read_and_sane() {
        let rows = include_str!("models.tsv").lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(TABLE.full.len(), rows);
        assert!(rows > 100);
        for (name, facts) in &TABLE.full {
            let Price { input, cached_input, output } = facts.price;
            assert!(0.0 < cached_input && cached_input <= input && input <= output, "{name}: {facts:?}");
            assert!(output < 200.0 && name.contains('/'), "{name}: {facts:?}");
        }
        for provider in [
            "openai",
            "anthropic",
            "gemini",
            "vertex",
            "bedrock",
            "mistral",
            "groq",
            "deepseek",
            "xai",
            "cohere",
            "together",
            "fireworks",
            "perplexity",
            "cerebras",
        ] {
            assert!(TABLE.full.keys().any(|name| name.starts_with(provider)), "{provider}");
        }
    }

    #[test]
    fn the_operators_price_wins_and_nothing_is_guessed() {
        let own = |input| ModelPrice { input, cached_input: None, output: 9.0 };
        let overrides = [("openai/gpt-4o", own(1.0)), ("house-model", own(2.0))];
        let prices = Prices::new(&overrides.map(|(name, price)| (name.to_owned(), price)).into());

        let gpt_4o = Price { input: 1.0, cached_input: 1.0, output: 9.0 };
        assert_eq!(prices.of("openai", "gpt-4o"), Some(gpt_4o));
        assert_eq!(prices.of("corp", "house-model").map(|price| price.input), Some(2.0));
        assert_eq!(prices.of("openai", "gpt-4o-mini").map(|price| price.output), Some(0.6));

        assert_eq!(prices.of("openai", "gpt-4o-mini-of-tomorrow"), None);
        assert_eq!(prices.of("corp", "gpt-4o-mini"), None);
        assert_eq!(prices.of_name("nobody/knows"), None);
    }

    #[test]
    fn names_are_found_with_and_without_provider_and_with_dates() {
        let prices = Prices::default();
        for name in ["gpt-4o-mini", "openai/gpt-4o-mini", "gpt-4o-mini-2024-07-18"] {
            assert_eq!(prices.of_name(name).map(|price| price.input), Some(0.15), "{name}");
        }
        assert_eq!(max_output("openai", "gpt-4o-mini"), Some(16_384));
        // As the providers name them: a region before the id, a deployment's model, a version behind an `@`.
        for (provider, name, input) in [
            ("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", 3.0),
            ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", 3.3),
            ("vertex", "claude-sonnet-4-5@20250929", 3.0),
            ("vertex", "gemini-2.5-flash", 0.3),
            ("anthropic", "claude-sonnet-4-5-20250929", 3.0),
        ] {
            assert_eq!(prices.of(provider, name).map(|price| price.input), Some(input), "{provider}/{name}");
        }
        let bedrock = prices.of_name("anthropic.claude-sonnet-4-5-20250929-v1:0");
        assert_eq!(bedrock.map(|price| price.input), Some(3.0));
        assert_eq!(prices.of("azure", "my-deployment"), None);
        assert_eq!(prices.of_name("gpt-4o-2024-08-06").map(|price| price.input), Some(2.5));
    }
}
