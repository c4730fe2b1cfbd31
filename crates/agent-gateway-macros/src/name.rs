//! Which names model providers accept.
use syn::{Error, Ident, LitStr, Result, ext::IdentExt};

/// The longest name of a tool or a parameter.
const MAX: usize = 64;

/// The name of a tool as `agent_gateway_core::id::ToolName` has it.
pub(crate) fn is_tool_name(text: &str) -> bool {
    (1..=MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// The name that was given.
pub(crate) fn given(text: &LitStr) -> Result<String> {
    let name = text.value();
    if is_tool_name(&name) {
        return Ok(name);
    }
    Err(Error::new(
        text.span(),
        format!(
            "\"{name}\" is not a valid tool name: letters, digits, `_` and `-`, at least one, at most {MAX}"
        ),
    ))
}

/// The name of a function in kebab-case.
pub(crate) fn of_function(function: &Ident) -> Result<String> {
    let name = function.unraw().to_string().trim_matches('_').replace('_', "-");
    if is_tool_name(&name) {
        return Ok(name);
    }
    Err(Error::new(
        function.span(),
        format!(
            "the tool would be named \"{name}\", and a tool name has letters, digits, `_` and `-`, at least one, at most \
             {MAX}: give another with `#[tool(name = \"..\")]`"
        ),
    ))
}

/// The name of a parameter as the model knows it.
pub(crate) fn of_parameter(parameter: &Ident) -> Result<String> {
    let name = parameter.unraw().to_string();
    if name.is_ascii() && name.len() <= MAX {
        return Ok(name);
    }
    Err(Error::new(
        parameter.span(),
        format!(
            "the model knows a parameter by its name, which has ASCII letters, digits and `_`, at most {MAX}"
        ),
    ))
}
