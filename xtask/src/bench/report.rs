//! What a run showed, one part after the other.

use serde_json::{Value, json};

use super::table::{Row, missed, table};

/// One table and what it was made of.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: &'static str,
    /// What was measured, and how.
    pub(super) setting: String,
    /// The share of the machine that other processes took.
    pub(super) others: f64,
    pub(super) rows: Vec<Row>,
    /// What could not be measured, and why.
    pub(super) skipped: Vec<String>,
    /// Every round.
    pub(super) rounds: Value,
}

#[derive(Debug)]
pub(super) struct Report {
    pub(super) parts: Vec<Part>,
}

impl Report {
    pub(super) fn text(&self) -> String {
        let part = |part: &Part| {
            let percent = part.others * 100.0;
            let setting = &part.setting;
            let mut text = format!(
                "{setting}; others took {percent:.0} % of the machine meanwhile\n\n{}",
                table(&part.rows)
            );
            for line in &part.skipped {
                text.push_str(&format!("\nskipped: {line}"));
            }
            text
        };
        self.parts.iter().map(part).collect::<Vec<_>>().join("\n")
    }

    pub(super) fn json(&self) -> Value {
        let part = |part: &Part| {
            json!({
                "part": part.name,
                "setting": part.setting,
                "others_share": part.others,
                "rows": part.rows.iter().map(Row::json).collect::<Vec<_>>(),
                "skipped": part.skipped,
                "rounds": part.rounds,
            })
        };
        json!({ "parts": self.parts.iter().map(part).collect::<Vec<_>>() })
    }

    pub(super) fn missed(&self) -> Vec<String> {
        self.parts.iter().flat_map(|part| missed(&part.rows)).collect()
    }
}
