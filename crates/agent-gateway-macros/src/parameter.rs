//! One parameter of the function: an argument that the model gives, all of them, or the context.
use syn::{
    Attribute, Error, Expr, ExprLit, FnArg, Ident, Lit, Meta, Pat, PatType, Result, Type, TypeReference,
    spanned::Spanned,
};

use crate::{docs, name};

/// One parameter.
pub(crate) enum Parameter {
    /// `&ToolContext`.
    Context,
    /// The struct of all arguments.
    Arguments(Box<Type>),
    /// One argument.
    Argument(Box<Argument>),
}

/// One argument of the model.
pub(crate) struct Argument {
    pub(crate) name: String,
    pub(crate) description: String,
    /// The type that is made of JSON; `String` for `&str`.
    pub(crate) type_: Type,
    pub(crate) passing: Passing,
    pub(crate) default: Option<Expr>,
}

/// How the function takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passing {
    Owned,
    Borrowed,
}

/// The attributes that are ours.
#[derive(Default)]
struct Marks {
    arguments: Option<Attribute>,
    default: Option<Expr>,
}

impl Parameter {
    /// Reads a parameter, and takes the attributes off it that are ours.
    pub(crate) fn take(input: &mut FnArg) -> Result<Self> {
        let input = match input {
            FnArg::Receiver(receiver) => {
                let message = "a tool has no `self`: for a function that needs a value of yours, give \
                               `FunctionTool::builder` a closure that holds it";
                return Err(Error::new_spanned(receiver, message));
            }
            FnArg::Typed(input) => input,
        };
        let description = docs::text(&input.attrs);
        let marks = Marks::take(&mut input.attrs)?;
        let (type_, passing) = match &*input.ty {
            Type::Reference(reference) if is_context(&reference.elem) => return context(reference, &marks),
            Type::Reference(reference) => (borrowed(reference)?, Passing::Borrowed),
            Type::ImplTrait(_) => {
                let message = "the type of a parameter is written out: `impl` stands for many types, and the schema is of one";
                return Err(Error::new_spanned(&input.ty, message));
            }
            other if is_context(other) => {
                return Err(Error::new_spanned(other, "the context is borrowed: write `&ToolContext`"));
            }
            other => (other.clone(), Passing::Owned),
        };
        match marks {
            Marks { arguments: Some(_), default: Some(default) } => {
                let message = "a struct of arguments has no default; its fields can have `#[serde(default)]`";
                Err(Error::new_spanned(default, message))
            }
            Marks { arguments: Some(_), .. } if passing == Passing::Borrowed => {
                Err(Error::new_spanned(&input.ty, "`#[arguments]` stands on a struct, not on a text"))
            }
            Marks { arguments: Some(_), .. } => Ok(Self::Arguments(Box::new(type_))),
            Marks { default, .. } => {
                let name = name::of_parameter(named(input)?)?;
                Ok(Self::Argument(Box::new(Argument { name, description, type_, passing, default })))
            }
        }
    }
}

impl Marks {
    /// Takes our attributes off, and the doc comments, which cannot stand on a parameter.
    fn take(attributes: &mut Vec<Attribute>) -> Result<Self> {
        let (ours, others) = std::mem::take(attributes).into_iter().partition::<Vec<_>, _>(|attribute| {
            docs::is_doc(attribute)
                || attribute.path().is_ident("default")
                || attribute.path().is_ident("arguments")
        });
        *attributes = others;
        let mut marks = Self::default();
        for attribute in ours {
            let twice = Error::new(attribute.span(), "this is given twice");
            if attribute.path().is_ident("default") {
                let value = default(&attribute)?;
                if marks.default.replace(value).is_some() {
                    return Err(twice);
                }
            } else if attribute.path().is_ident("arguments") {
                attribute.meta.require_path_only()?;
                if marks.arguments.replace(attribute).is_some() {
                    return Err(twice);
                }
            }
        }
        Ok(marks)
    }
}

fn default(attribute: &Attribute) -> Result<Expr> {
    let example = "the value of an argument that is left out is written `#[default(5)]`";
    let Meta::List(list) = &attribute.meta else { return Err(Error::new_spanned(attribute, example)) };
    let value = list.parse_args::<Expr>().map_err(|_| Error::new_spanned(attribute, example))?;
    // A text is written without `.to_owned()`.
    Ok(match &value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
            syn::parse_quote_spanned!(text.span()=> ::core::convert::Into::into(#text))
        }
        _ => value,
    })
}

/// By its last word, for a macro knows no types.
fn is_context(type_: &Type) -> bool {
    match type_ {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "ToolContext"),
        Type::Paren(inner) => is_context(&inner.elem),
        Type::Group(inner) => is_context(&inner.elem),
        _ => false,
    }
}

fn context(reference: &TypeReference, marks: &Marks) -> Result<Parameter> {
    if let Some(attribute) = &marks.arguments {
        return Err(Error::new_spanned(attribute, "the context is not an argument of the model"));
    }
    if let Some(default) = &marks.default {
        return Err(Error::new_spanned(default, "the context is always there and has no default"));
    }
    immutable(reference)?;
    Ok(Parameter::Context)
}

/// What stands behind a reference.
fn borrowed(reference: &TypeReference) -> Result<Type> {
    immutable(reference)?;
    match &*reference.elem {
        Type::Path(path) if path.path.is_ident("str") => {
            Ok(syn::parse_quote_spanned!(path.span()=> ::std::string::String))
        }
        _ => {
            let message = "a parameter is owned, for its value is made for this call: leave out the `&` (only `&str` and \
                           `&ToolContext` can be borrowed)";
            Err(Error::new_spanned(reference, message))
        }
    }
}

fn immutable(reference: &TypeReference) -> Result<()> {
    match &reference.mutability {
        None => Ok(()),
        Some(mutable) => {
            Err(Error::new_spanned(mutable, "a tool cannot change what it is given: leave out the `mut`"))
        }
    }
}

fn named(input: &PatType) -> Result<&Ident> {
    match &*input.pat {
        Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => Ok(&pattern.ident),
        other => {
            let message =
                "a parameter has a plain name, by which the model knows it: take it apart in the body";
            Err(Error::new_spanned(other, message))
        }
    }
}
