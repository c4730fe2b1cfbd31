//! What is refused, and in which words. Where the words point is seen in `tests/errors`.
use agent_gateway_core::id::ToolName;

use crate::{docs, expand, name};

/// Everything that is said of a tool with these options.
fn said(options: &str, item: &str) -> Vec<String> {
    match expand::tool(options.parse().unwrap(), item.parse().unwrap()) {
        Ok(_) => Vec::new(),
        Err(error) => error.into_iter().map(|error| error.to_string()).collect(),
    }
}

#[track_caller]
fn refused(options: &str, item: &str, words: &str) {
    let said = said(options, item);
    assert!(said.len() == 1 && said[0].contains(words), "#[tool({options})] {item}: {said:?}");
}

#[test]
fn functions_of_all_allowed_shapes_are_taken() {
    for item in [
        "fn now() -> u64 { 0 }",
        "pub(crate) async fn now(mut zone: String, context: &ToolContext) {}",
        "async fn now(&self_ : &str) {}".replace("&self_ ", "zone").as_str(),
        "fn now(#[arguments] #[allow(unused)] zone: Zone, context: &core::tool::ToolContext) {}",
        "#[cfg(unix)] #[deprecated] /** Now. */ fn r#now(#[default(None)] r#type: Option<u8>) -> impl Serialize {}",
    ] {
        assert_eq!(said("", item), [""; 0], "{item}");
    }
    let all = r#"name = "a_B-1", description = include_str!("x"), allowed_agents = ["a"], require_approval,
                 retry = "never", parameters = json!({}), crate = ::a::b"#;
    assert_eq!(said(all, "fn now(n: u8) {}"), [""; 0]);
    assert_eq!(said("require_approval = false, retry = \"safe\",", "fn now() {}"), [""; 0]);
}

#[test]
fn what_is_no_function_of_its_own_is_refused() {
    for item in ["struct Now;", "impl Now { fn now() {} }", "mod now {}", "const NOW: u8 = 1;"] {
        refused("", item, "stands on a function");
    }
    refused("", "fn now(&self) {}", "a tool has no `self`");
    refused("", "fn now(self: Box<Self>) {}", "a tool has no `self`");
    refused("", "unsafe fn now() {}", "leave out the `unsafe`");
    refused("", "const fn now() {}", "not a `const` one");
    refused("", "extern \"C\" fn now() {}", "not an `extern` one");
}

#[test]
fn parameters_of_many_types_are_refused() {
    refused("", "fn now<T>(zone: T) {}", "no generic parameters");
    refused("", "fn now<'a>(zone: &'a str) {}", "no generic parameters");
    refused("", "fn now(zone: u8) where u8: Copy {}", "no `where` clause");
    refused("", "fn now(zone: impl Into<String>) {}", "written out");
}

#[test]
fn parameters_without_a_plain_name_are_refused() {
    for pattern in ["(a, b)", "_", "ref a", "a @ 1", "Zone { a }"] {
        refused("", &format!("fn now({pattern}: Zone) {{}}"), "a plain name");
    }
    refused("", "fn now(größe: u8) {}", "ASCII letters");
    refused("", &format!("fn now({}: u8) {{}}", "a".repeat(65)), "at most 64");
}

#[test]
fn references_that_nobody_owns_are_refused() {
    refused("", "fn now(zone: &mut str) {}", "leave out the `mut`");
    refused("", "fn now(context: &mut ToolContext) {}", "leave out the `mut`");
    refused("", "fn now(zones: &[String]) {}", "leave out the `&`");
    refused("", "fn now(zone: &String) {}", "leave out the `&`");
}

#[test]
fn there_is_one_context_and_the_model_does_not_give_it() {
    refused("", "fn now(a: &ToolContext, b: &ToolContext) {}", "second `&ToolContext`");
    refused("", "fn now(context: ToolContext) {}", "write `&ToolContext`");
    refused("", "fn now(#[arguments] context: &ToolContext) {}", "not an argument");
    refused("", "fn now(#[default(1)] context: &ToolContext) {}", "always there");
}

#[test]
fn arguments_in_one_struct_stand_alone() {
    refused("", "fn now(#[arguments] a: A, #[arguments] b: B) {}", "one is enough");
    refused("", "fn now(#[arguments] a: A, zone: String) {}", "a field of the struct");
    refused("", "fn now(#[arguments] a: &str) {}", "stands on a struct");
    refused("", "fn now(#[arguments] #[default(1)] a: A) {}", "no default");
    refused("", "fn now(#[arguments] #[arguments] a: A) {}", "twice");
    refused("", "fn now(#[arguments(1)] a: A) {}", "unexpected token");
}

#[test]
fn defaults_are_values_in_parentheses() {
    for attribute in ["#[default]", "#[default = 5]", "#[default()]", "#[default(5, 6)]"] {
        refused("", &format!("fn now({attribute} zone: u8) {{}}"), "#[default(5)]");
    }
    refused("", "fn now(#[default(1)] #[default(2)] zone: u8) {}", "twice");
    refused("parameters = json!({})", "fn now(#[default(1)] zone: u8) {}", "take an `Option`");
}

#[test]
fn options_are_known_given_once_and_of_their_type() {
    refused("names = \"a\"", "fn now() {}", "`names` is not an option of `#[tool]`: there are `name`");
    refused("name = \"a\", name = \"b\"", "fn now() {}", "`name` is given twice");
    refused("name", "fn now() {}", "needs a value: `name = ");
    refused("name = 5", "fn now() {}", "`name` is a text");
    refused("name(\"a\")", "fn now() {}", "an option is written `name = ..`");
    refused("allowed_agents = \"a\"", "fn now() {}", "a list of names of agents");
    refused("allowed_agents = [1]", "fn now() {}", "a list of names of agents");
    refused("allowed_agents = []", "fn now() {}", "no agent use the tool");
    refused("require_approval = \"yes\"", "fn now() {}", "stands alone, or is `true` or `false`");
    refused("retry = \"later\"", "fn now() {}", "\"never\" or \"safe\"");
    refused("retry = never", "fn now() {}", "`retry` is a text");
    refused("\"search\"", "fn now() {}", "expected an option: there are `name`");
}

#[test]
fn everything_wrong_is_said_at_once() {
    assert_eq!(said("nmae = 1, retry = \"no\"", "fn now<T>(a: &mut T, (b, c): (u8, u8)) {}").len(), 5);
}

#[test]
fn names_are_those_that_core_accepts() {
    for text in ["", "a", "A_b-1", "a b", "ä", "a.b", &"a".repeat(64), &"a".repeat(65)] {
        assert_eq!(name::is_tool_name(text), ToolName::new(text).is_ok(), "{text}");
        let name = format!("name = {text:?}");
        assert_eq!(said(&name, "fn now() {}").is_empty(), ToolName::new(text).is_ok(), "{text}");
    }
    refused("", "fn größe() {}", "give another with `#[tool(name = \"..\")]`");
    refused("", &format!("fn {}() {{}}", "a".repeat(65)), "at most 64");
    assert_eq!(said("name = \"size\"", "fn größe() {}"), [""; 0]);
}

#[test]
fn a_function_is_named_in_kebab_case() {
    for (function, tool) in
        [("search_docs", "search-docs"), ("r#type", "type"), ("_now_", "now"), ("getURL", "getURL")]
    {
        assert_eq!(
            name::of_function(&syn::parse_str(function).unwrap_or_else(|_| raw(function))).unwrap(),
            tool
        );
    }
}

fn raw(function: &str) -> syn::Ident {
    syn::Ident::new_raw(function.trim_start_matches("r#"), proc_macro2::Span::call_site())
}

#[test]
fn doc_comments_are_read_as_they_are_seen() {
    let item: syn::ItemFn =
        syn::parse_str("/// One.\n///\n///   - two \n/** Three\n four */\n#[doc = \"five\"]\nfn now() {}")
            .unwrap();
    assert_eq!(docs::text(&item.attrs), "One.\n\n  - two\nThree\nfour\nfive");
}
