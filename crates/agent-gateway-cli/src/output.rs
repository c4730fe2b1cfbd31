//! What goes to the terminal.
use std::{
    fmt::Display,
    io::{IsTerminal, Write},
    process::ExitCode,
};

use anyhow::{Result, bail};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::args::Format;

/// Writes a line to stdout. A reader that went away, as `head` does, is no error of ours.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Writes a line to stderr.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Writes a value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    line(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Says what went wrong and answers the exit code.
pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    note(format_args!("{} {}", paint(Colour::Red, "error:", &std::io::stderr()), sentence(error)));
    ExitCode::from(1)
}

/// An error and its causes, each of them once: many repeat what the next one says.
fn sentence(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if said.is_empty() {
            said = cause;
        } else if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
}

/// A colour for one word.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Colour {
    Red,
    Yellow,
    Green,
    Bold,
    Dim,
}

/// The text in colour, where `to` is a terminal and the reader wants colours.
pub(crate) fn paint(colour: Colour, text: &str, to: &impl IsTerminal) -> String {
    if !to.is_terminal() || !colours() {
        return text.to_owned();
    }
    let code = match colour {
        Colour::Red => "31",
        Colour::Yellow => "33",
        Colour::Green => "32",
        Colour::Bold => "1",
        Colour::Dim => "2",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// Whether the reader of a terminal wants colours there.
#[expect(
    clippy::disallowed_methods,
    reason = "NO_COLOR is a convention of terminals, not a setting of the gateway"
)]
pub(crate) fn colours() -> bool {
    !std::env::var("NO_COLOR").is_ok_and(|value| !value.is_empty())
}

/// Rows with named columns, in the form that was asked for.
pub(crate) fn rows<T: Serialize>(format: Format, header: &[&str], rows: &[T], empty: &str) -> Result<()> {
    match format {
        Format::Json => return json(&rows),
        Format::Csv => line(csv(header.iter().copied())),
        Format::Table if rows.is_empty() => {
            line(empty);
            return Ok(());
        }
        Format::Table => {}
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    for row in rows {
        let serde_json::Value::Object(fields) = serde_json::to_value(row)? else {
            bail!("a row must be an object")
        };
        let cells = header.iter().map(|name| cell(fields.get(*name)));
        match format {
            Format::Csv => line(csv(cells.collect::<Vec<_>>().iter().map(String::as_str))),
            _ => drop(table.add_row(cells)),
        }
    }
    if format == Format::Table {
        line(table);
    }
    Ok(())
}

fn cell(value: Option<&serde_json::Value>) -> String {
    match value {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Array(items)) => {
            items.iter().map(|item| cell(Some(item))).collect::<Vec<_>>().join(", ")
        }
        Some(other) => other.to_string(),
    }
}

fn csv<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let quoted = cells.map(|cell| {
        if cell.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.to_owned()
        }
    });
    quoted.collect::<Vec<_>>().join(",")
}
