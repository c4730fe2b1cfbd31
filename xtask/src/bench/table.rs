//! Rows of figures: bare, gateway, ratio, target.

use serde_json::{Value, json};

/// What a figure must be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    RatioAtLeast(f64),
    RatioAtMost(f64),
    AtLeast(f64),
    AtMost(f64),
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) what: String,
    pub(super) decimals: usize,
    /// None where the figure is a comparison already.
    pub(super) bare: Option<f64>,
    pub(super) gateway: f64,
    pub(super) target: Option<Target>,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        self.bare.map(|bare| self.gateway / bare)
    }

    /// The target in words, and whether it is met.
    fn verdict(&self) -> Option<(String, bool)> {
        Some(match self.target? {
            Target::RatioAtLeast(limit) => {
                (format!("ratio ≥ {limit}"), self.ratio().is_some_and(|ratio| ratio >= limit))
            }
            Target::RatioAtMost(limit) => {
                (format!("ratio ≤ {limit}"), self.ratio().is_some_and(|ratio| ratio <= limit))
            }
            Target::AtLeast(limit) => (format!("≥ {limit}"), self.gateway >= limit),
            Target::AtMost(limit) => (format!("≤ {limit}"), self.gateway <= limit),
        })
    }

    fn cells(&self) -> [String; 5] {
        let number = |value: f64| format!("{value:.*}", self.decimals);
        let target = self
            .verdict()
            .map_or(String::new(), |(words, met)| format!("{words} {}", if met { "ok" } else { "MISSED" }));
        let ratio = self.ratio().map_or(String::new(), |ratio| format!("{ratio:.2}"));
        [self.what.clone(), self.bare.map_or(String::new(), number), number(self.gateway), ratio, target]
    }

    pub(super) fn json(&self) -> Value {
        let verdict = self.verdict();
        json!({
            "what": self.what,
            "bare": self.bare,
            "gateway": self.gateway,
            "ratio": self.ratio(),
            "target": verdict.as_ref().map(|(words, _)| words),
            "met": verdict.as_ref().map(|(_, met)| met),
        })
    }
}

/// Markdown, so that it can stand in a document as it is.
pub(super) fn table(rows: &[Row]) -> String {
    let mut lines = vec![["", "bare", "gateway", "ratio", "target"].map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let mut widths = [0; 5];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let [first, bare, gateway, ratio, target] = widths;
    let mut text = String::new();
    for (index, [a, b, c, d, e]) in lines.iter().enumerate() {
        text.push_str(&format!(
            "| {a:<first$} | {b:>bare$} | {c:>gateway$} | {d:>ratio$} | {e:<target$} |\n"
        ));
        if index == 0 {
            let dashes = |width: usize| "-".repeat(width);
            let [a, b, c, d, e] = [first, bare - 1, gateway - 1, ratio - 1, target].map(dashes);
            text.push_str(&format!("| {a} | {b}: | {c}: | {d}: | {e} |\n"));
        }
    }
    text
}

/// The names of the rows that miss their targets.
pub(super) fn missed(rows: &[Row]) -> Vec<String> {
    let missed = rows.iter().filter(|row| row.verdict().is_some_and(|(_, met)| !met));
    missed.map(|row| row.what.clone()).collect()
}

pub(super) fn mib(kib: u64) -> f64 {
    float(kib) / 1024.0
}

pub(super) fn float(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or(f64::NAN);
    if values.len() % 2 == 1 {
        return upper;
    }
    let lower = middle.checked_sub(1).and_then(|below| values.get(below)).copied().unwrap_or(f64::NAN);
    f64::midpoint(lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_not_means() {
        assert_eq!(median([9.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([1.0, 3.0].into_iter()), 2.0);
        assert!(median(std::iter::empty()).is_nan());
    }

    #[test]
    fn a_comparison_has_no_bare_figure_and_no_ratio() {
        let added = Row {
            what: "added".into(),
            decimals: 2,
            bare: None,
            gateway: 0.51,
            target: Some(Target::AtMost(0.5)),
        };
        assert_eq!(added.json()["ratio"], Value::Null);
        assert_eq!(added.cells().map(|cell| cell.len()), [5, 0, 4, 0, "≤ 0.5 MISSED".len()]);
        let ratio = Row { target: Some(Target::RatioAtLeast(0.1)), ..added };
        assert_eq!(missed(&[ratio]), ["added"]);
    }
}
