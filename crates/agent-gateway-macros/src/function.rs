//! The function that becomes a tool.
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Error, Item, ItemFn, Result, Safety, Signature};

use crate::{options::combine, parameter::Parameter};

/// A function that can be a tool.
pub(crate) struct Function {
    /// As it was written, without the attributes that are ours.
    pub(crate) item: ItemFn,
    pub(crate) parameters: Vec<Parameter>,
}

impl Function {
    /// Reads it. Every mistake is told.
    pub(crate) fn read(tokens: TokenStream) -> Result<Self> {
        let mut item = match syn::parse2::<Item>(tokens.clone())? {
            Item::Fn(item) => item,
            _ => {
                return Err(Error::new_spanned(tokens, "`#[tool]` stands on a function: `async fn` or `fn`"));
            }
        };
        let mut wrong = check_signature(&item.sig).err();
        let mut parameters = Vec::new();
        for input in &mut item.sig.inputs {
            match Parameter::take(input) {
                Ok(parameter) => parameters.push(parameter),
                Err(error) => combine(&mut wrong, error),
            }
        }
        match wrong {
            Some(error) => Err(error),
            None => {
                check_together(&item.sig, &parameters)?;
                Ok(Self { item, parameters })
            }
        }
    }
}

fn check_signature(signature: &Signature) -> Result<()> {
    let mut wrong = None;
    let mut say = |tokens: &dyn ToTokens, message| combine(&mut wrong, Error::new_spanned(tokens, message));
    let generics = &signature.generics;
    if !generics.params.is_empty() {
        say(&generics.params, "a tool has no generic parameters: the model sends values of one type");
    }
    if let Some(clause) = &generics.where_clause {
        say(clause, "a tool has no `where` clause: the model sends values of one type");
    }
    if let Some(variadic) = &signature.variadic {
        say(variadic, "a tool has a fixed number of parameters");
    }
    if let Some(word) = &signature.constness {
        say(word, "a tool is a plain or an async function, not a `const` one");
    }
    if !matches!(signature.safety, Safety::Default) {
        say(
            &signature.safety,
            "a tool is safe to call with whatever the model sends: leave out the `unsafe`",
        );
    }
    if let Some(abi) = &signature.abi {
        say(abi, "a tool is a plain or an async function, not an `extern` one");
    }
    wrong.map_or(Ok(()), Err)
}

/// What each may be, and all of them may not.
fn check_together(signature: &Signature, parameters: &[Parameter]) -> Result<()> {
    let mut wrong = None;
    let (mut contexts, mut structs, mut arguments) = (0, 0, 0);
    for (parameter, input) in parameters.iter().zip(&signature.inputs) {
        let (count, message) = match parameter {
            Parameter::Context => {
                (&mut contexts, "a call has one context: leave out the second `&ToolContext`")
            }
            Parameter::Arguments(_) => (&mut structs, "`#[arguments]` holds all arguments: one is enough"),
            Parameter::Argument(_) => (&mut arguments, ""),
        };
        *count += 1;
        if *count > 1 && !message.is_empty() {
            combine(&mut wrong, Error::new_spanned(input, message));
        }
    }
    if structs > 0 && arguments > 0 {
        let message = "`#[arguments]` holds all arguments: make this one a field of the struct";
        for (parameter, input) in parameters.iter().zip(&signature.inputs) {
            if matches!(parameter, Parameter::Argument(_)) {
                combine(&mut wrong, Error::new_spanned(input, message));
            }
        }
    }
    wrong.map_or(Ok(()), Err)
}
