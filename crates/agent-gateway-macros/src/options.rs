//! What stands in the parentheses of `#[tool(..)]`.
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{
    Error, Expr, ExprLit, Ident, Lit, LitStr, Path, Result, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
    punctuated::Punctuated,
};

use crate::name;

const KNOWN: &str =
    "`name`, `description`, `allowed_agents`, `require_approval`, `retry`, `parameters` and `crate`";

/// The options of one tool.
pub(crate) struct Options {
    /// In place of the function's name.
    pub(crate) name: Option<String>,
    /// In place of the doc comment.
    pub(crate) description: Option<Expr>,
    /// Who may use it; everyone without.
    pub(crate) allowed_agents: Option<Vec<LitStr>>,
    pub(crate) approval: Approval,
    pub(crate) retry: Retry,
    /// In place of the schema that is made of the parameters.
    pub(crate) parameters: Option<Expr>,
    /// Where the library is found.
    pub(crate) library: Path,
}

/// Whether a person must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Approval {
    NotNeeded,
    Required,
}

/// Whether a call may be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    Safe,
    Never,
}

/// `key`, `key = value`.
struct Entry {
    key: Ident,
    value: Option<TokenStream>,
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let strange = |_| input.error(format!("expected an option: there are {KNOWN}"));
        let key = input.call(Ident::parse_any).map_err(strange)?;
        if input.is_empty() || input.peek(Token![,]) {
            return Ok(Self { key, value: None });
        }
        if !input.peek(Token![=]) {
            return Err(input.error(format!("an option is written `{key} = ..`")));
        }
        input.parse::<Token![=]>()?;
        let value = match key == "crate" {
            true => input.call(Path::parse_mod_style)?.into_token_stream(),
            false => input.parse::<Expr>()?.into_token_stream(),
        };
        Ok(Self { key, value: Some(value) })
    }
}

impl Options {
    /// Reads them. Every mistake is told.
    pub(crate) fn read(tokens: TokenStream) -> Result<Self> {
        let entries = Punctuated::<Entry, Token![,]>::parse_terminated.parse2(tokens)?;
        let mut options = Self {
            name: None,
            description: None,
            allowed_agents: None,
            approval: Approval::NotNeeded,
            retry: Retry::Safe,
            parameters: None,
            library: syn::parse_quote!(::agent_gateway),
        };
        let mut wrong: Option<Error> = None;
        let mut seen: Vec<String> = Vec::new();
        for entry in entries {
            let key = entry.key.to_string();
            let read = match seen.contains(&key) {
                true => Err(Error::new(entry.key.span(), format!("`{key}` is given twice"))),
                false => options.set(&entry),
            };
            seen.push(key);
            if let Err(error) = read {
                combine(&mut wrong, error);
            }
        }
        wrong.map_or(Ok(options), Err)
    }

    fn set(&mut self, entry: &Entry) -> Result<()> {
        let key = entry.key.to_string();
        match key.as_str() {
            "name" => self.name = Some(name::given(&text(entry, "name = \"search-docs\"")?)?),
            "description" => self.description = Some(syn::parse2(value(entry, "description = \"..\"")?)?),
            "allowed_agents" => self.allowed_agents = Some(agents(entry)?),
            "require_approval" => self.approval = approval(entry)?,
            "retry" => self.retry = retry(entry)?,
            "parameters" => self.parameters = Some(syn::parse2(value(entry, "parameters = json!({..})")?)?),
            "crate" => self.library = syn::parse2(value(entry, "crate = agent_gateway_core")?)?,
            _ => {
                let message = format!("`{key}` is not an option of `#[tool]`: there are {KNOWN}");
                return Err(Error::new(entry.key.span(), message));
            }
        }
        Ok(())
    }
}

/// Adds an error to those before it.
pub(crate) fn combine(all: &mut Option<Error>, error: Error) {
    match all {
        Some(all) => all.combine(error),
        None => *all = Some(error),
    }
}

fn value(entry: &Entry, example: &str) -> Result<TokenStream> {
    let missing = || Error::new(entry.key.span(), format!("`{}` needs a value: `{example}`", entry.key));
    entry.value.clone().ok_or_else(missing)
}

fn text(entry: &Entry, example: &str) -> Result<LitStr> {
    let value = value(entry, example)?;
    syn::parse2(value.clone())
        .map_err(|_| Error::new_spanned(value, format!("`{}` is a text: `{example}`", entry.key)))
}

fn agents(entry: &Entry) -> Result<Vec<LitStr>> {
    let example = "allowed_agents = [\"support-bot\"]";
    let value = value(entry, example)?;
    let wrong = |tokens: TokenStream| {
        Error::new_spanned(tokens, format!("`allowed_agents` is a list of names of agents: `{example}`"))
    };
    let Ok(Expr::Array(list)) = syn::parse2::<Expr>(value.clone()) else { return Err(wrong(value)) };
    if list.elems.is_empty() {
        let message =
            "an empty list would let no agent use the tool; without `allowed_agents` every agent may";
        return Err(Error::new_spanned(value, message));
    }
    let name = |element: &Expr| match element {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text.clone()),
        other => Err(wrong(other.to_token_stream())),
    };
    list.elems.iter().map(name).collect()
}

fn approval(entry: &Entry) -> Result<Approval> {
    let Some(value) = &entry.value else { return Ok(Approval::Required) };
    match syn::parse2::<syn::LitBool>(value.clone()) {
        Ok(yes) if yes.value => Ok(Approval::Required),
        Ok(_) => Ok(Approval::NotNeeded),
        Err(_) => Err(Error::new_spanned(value, "`require_approval` stands alone, or is `true` or `false`")),
    }
}

fn retry(entry: &Entry) -> Result<Retry> {
    let text = text(entry, "retry = \"never\"")?;
    match text.value().as_str() {
        "never" => Ok(Retry::Never),
        "safe" => Ok(Retry::Safe),
        _ => Err(Error::new(text.span(), "`retry` is \"never\" or \"safe\"")),
    }
}
