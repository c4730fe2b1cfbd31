//! Texts, booleans and integers, read leniently.
use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::Problem;

type Loc = Vec<Value>;

/// Only JSON strings are texts.
pub(super) fn text_of(
    value: Value,
    loc: impl FnOnce() -> Loc,
    length: &RangeInclusive<usize>,
) -> Result<String, Box<Problem>> {
    let Value::String(text) = value else {
        return Err(Box::new(
            Problem::new("string_type", loc(), "Input should be a valid string").input(&value),
        ));
    };
    let (shortest, longest) = (*length.start(), *length.end());
    // A text has at least as many bytes as characters: few texts need counting.
    if text.len() > longest && text.chars().nth(longest).is_some() {
        let msg = format!("String should have at most {longest} characters");
        return Err(Box::new(
            Problem::new("string_too_long", loc(), msg).context(json!({"max_length": longest})),
        ));
    }
    if shortest > 0 && text.chars().nth(shortest - 1).is_none() {
        let plural = if shortest == 1 { "" } else { "s" };
        let msg = format!("String should have at least {shortest} character{plural}");
        let problem = Problem::new("string_too_short", loc(), msg).input(&Value::String(text));
        return Err(Box::new(problem.context(json!({"min_length": shortest}))));
    }
    Ok(text)
}

/// Booleans, 0 and 1, and the words for them.
pub(super) fn flag_of(value: &Value, loc: impl FnOnce() -> Loc) -> Result<bool, Box<Problem>> {
    let word = match value {
        Value::Bool(flag) => return Ok(*flag),
        Value::Number(number) => number
            .as_f64()
            .and_then(|number| if number == 0.0 { Some(false) } else { (number == 1.0).then_some(true) }),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
            "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
            _ => None,
        },
        _ => {
            return Err(Box::new(
                Problem::new("bool_type", loc(), "Input should be a valid boolean").input(value),
            ));
        }
    };
    word.ok_or_else(|| {
        let msg = "Input should be a valid boolean, unable to interpret input";
        Box::new(Problem::new("bool_parsing", loc(), msg).input(value))
    })
}

/// Integers, floats without a fraction, and texts of either.
pub(crate) fn integer_of(value: &Value, loc: Loc, range: &RangeInclusive<i64>) -> Result<i64, Box<Problem>> {
    let fail = |kind, msg| Err(Box::new(Problem::new(kind, loc.clone(), msg).input(value)));
    let number = match value {
        Value::Bool(flag) => i64::from(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => integer,
            (None, Some(float)) if float.fract() == 0.0 => saturate(float),
            _ => {
                return fail(
                    "int_from_float",
                    "Input should be a valid integer, got a number with a fractional part",
                );
            }
        },
        Value::String(text) => match integer_in(text) {
            Some(integer) => integer,
            None => {
                return fail(
                    "int_parsing",
                    "Input should be a valid integer, unable to parse string as an integer",
                );
            }
        },
        _ => return fail("int_type", "Input should be a valid integer"),
    };
    let (least, most) = (*range.start(), *range.end());
    if number < least {
        let problem = Problem::new(
            "greater_than_equal",
            loc,
            format!("Input should be greater than or equal to {least}"),
        );
        return Err(Box::new(problem.input(value).context(json!({"ge": least}))));
    }
    if number > most {
        let problem =
            Problem::new("less_than_equal", loc, format!("Input should be less than or equal to {most}"));
        return Err(Box::new(problem.input(value).context(json!({"le": most}))));
    }
    Ok(number)
}

/// Numbers above 0, and texts of them.
pub(super) fn amount_of(value: &Value, loc: Loc) -> Result<f64, Box<Problem>> {
    let fail = |kind, msg| Err(Box::new(Problem::new(kind, loc.clone(), msg).input(value)));
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => return fail("float_type", "Input should be a valid number"),
    };
    match number {
        None => fail("float_parsing", "Input should be a valid number, unable to parse string as a number"),
        Some(number) if !number.is_finite() => fail("finite_number", "Input should be a finite number"),
        Some(number) if number <= 0.0 => {
            let problem = Problem::new("greater_than", loc, "Input should be greater than 0").input(value);
            Err(Box::new(problem.context(json!({"gt": 0}))))
        }
        Some(number) => Ok(number),
    }
}

/// Too large for an integer is too large for every range.
#[expect(
    clippy::cast_possible_truncation,
    reason = "casting a float to an integer saturates, which is what is wanted"
)]
fn saturate(float: f64) -> i64 {
    float as i64
}

fn integer_in(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(integer) = text.parse() {
        return Some(integer);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    let is_whole = !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && fraction.bytes().all(|byte| byte == b'0');
    is_whole.then(|| text.parse::<f64>().ok().map(saturate)).flatten()
}
