//! `${NAME}` in texts.
use agent_gateway_core::vars::Vars;

/// Puts values in the place of `${NAME}`; `Err` holds the names that are not set. An open `${` stays as it is.
pub(crate) fn substitute(text: &str, vars: &dyn Vars) -> Result<String, Vec<String>> {
    let mut result = String::with_capacity(text.len());
    let mut missing = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, tail)) = after.split_once('}') else { break };
        result.push_str(before);
        match vars.get(name) {
            Some(value) => result.push_str(&value),
            None => missing.push(name.to_owned()),
        }
        rest = tail;
    }
    result.push_str(rest);
    if missing.is_empty() { Ok(result) } else { Err(missing) }
}

/// What to say of names that are not set.
pub(crate) fn undefined(names: &[String]) -> (String, &'static str) {
    let shown: Vec<String> = names.iter().map(|name| name.chars().take(80).collect()).collect();
    let message = format!("the variable {} is not set", shown.join(", "));
    if names.iter().any(|name| name.contains(":-")) {
        return (message, "there is no `:-` for defaults; set the variable");
    }
    (message, "set it in the environment or in the workspace's .env")
}

#[cfg(test)]
mod tests {
    use agent_gateway_core::vars::MapVars;

    use super::*;

    #[test]
    fn puts_values_in_and_names_what_is_missing() {
        let vars = MapVars::from_iter([("A", "1"), ("B", "${A}"), ("E", "")]);
        let cases = [
            ("x", "x"),
            ("${A}", "1"),
            ("a${A}b${A}", "a1b1"),
            ("${B}", "${A}"),
            ("${E}|", "|"),
            ("${A", "${A"),
        ];
        for (text, expected) in cases {
            assert_eq!(substitute(text, &vars).unwrap(), expected, "{text}");
        }
        assert_eq!(substitute("${A}${X}${Y:-z}", &vars).unwrap_err(), ["X", "Y:-z"]);
    }
}
