//! From the function to a declaration in the words of `agent_gateway_core::code_tool`.
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Attribute, Error, ItemFn, Result, ReturnType, spanned::Spanned};

use crate::{
    docs,
    function::Function,
    name,
    options::{Approval, Options, Retry, combine},
    parameter::{Argument, Parameter, Passing},
};

/// The tool: a unit struct with the function's name, the function as its `run`, and what makes a tool of it.
pub(crate) fn tool(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let (options, function) = both(Options::read(options), Function::read(item))?;
    if let (Some(_), Some(default)) = (&options.parameters, function.defaults().next()) {
        let message = "`parameters` is the whole schema, so a default has no place here: take an `Option`";
        return Err(Error::new_spanned(default, message));
    }
    let library = &options.library;
    let expanded = quote!(#library::code_tool::expanded);
    let Function { item, parameters } = &function;
    let declaration = declaration(&options, item, parameters, &expanded)?;
    let call = call(item, parameters, &options, &expanded);
    let (name, visibility) = (&item.sig.ident, &item.vis);
    let (about, own): (Vec<&Attribute>, Vec<&Attribute>) =
        item.attrs.iter().partition(|attribute| docs::is_doc(attribute) || is_condition(attribute));
    let conditions: Vec<_> = about.iter().filter(|attribute| is_condition(attribute)).collect();
    let mut signature = item.sig.clone();
    signature.ident = format_ident!("run", span = name.span());
    let block = &item.block;
    Ok(quote! {
        #(#about)*
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy, Debug)]
        #visibility struct #name;

        #(#conditions)*
        impl #name {
            #(#about)*
            #(#own)*
            #[allow(clippy::needless_pass_by_value)]
            #visibility #signature #block
        }

        #(#conditions)*
        #[automatically_derived]
        impl #expanded::IntoTool for #name {
            type Tool = #expanded::FunctionTool;

            fn into_tool(self) -> #expanded::Result<#expanded::FunctionTool> {
                #call
                #expanded::finish(#declaration, call)
            }
        }
    })
}

/// Both, or the errors of both.
fn both<A, B>(one: Result<A>, other: Result<B>) -> Result<(A, B)> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(one), Err(other)) => {
            let mut all = Some(one);
            combine(&mut all, other);
            all.map_or_else(|| Err(Error::new(Span::call_site(), "")), Err)
        }
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
    }
}

impl Function {
    fn defaults(&self) -> impl Iterator<Item = &syn::Expr> {
        self.parameters.iter().filter_map(|parameter| match parameter {
            Parameter::Argument(argument) => argument.default.as_ref(),
            _ => None,
        })
    }
}

/// An attribute that decides whether the item is there at all.
fn is_condition(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
}

/// What is said of the tool before it is called.
fn declaration(
    options: &Options,
    item: &ItemFn,
    parameters: &[Parameter],
    expanded: &TokenStream,
) -> Result<TokenStream> {
    let name = match &options.name {
        Some(name) => name.clone(),
        None => name::of_function(&item.sig.ident)?,
    };
    let description = match (&options.description, docs::text(&item.attrs)) {
        (Some(given), _) => given.to_token_stream(),
        (None, text) if text.is_empty() => name.replace(['-', '_'], " ").to_token_stream(),
        (None, text) => text.to_token_stream(),
    };
    let mut tool = quote!(#expanded::FunctionTool::builder(#name, #description));
    if let Some(schema) = &options.parameters {
        tool.extend(quote!(.schema(#schema)));
    } else {
        for parameter in parameters {
            match parameter {
                Parameter::Context => {}
                Parameter::Arguments(type_) => {
                    tool = quote_spanned!(type_.span()=> #expanded::arguments::<#type_, _>(#tool));
                }
                Parameter::Argument(argument) => {
                    let described = described(argument, expanded);
                    tool = quote!(#expanded::and(#tool, #described));
                }
            }
        }
    }
    if let Some(agents) = &options.allowed_agents {
        tool.extend(quote!(.allowed_agents([#(#agents),*])));
    }
    if options.approval == Approval::Required {
        tool.extend(quote!(.require_approval()));
    }
    if options.retry == Retry::Never {
        tool.extend(quote!(.never_retry()));
    }
    Ok(tool)
}

/// One parameter; what is wrong with its type is told there.
fn described(argument: &Argument, expanded: &TokenStream) -> TokenStream {
    let Argument { name, description, type_, default, .. } = argument;
    let mut tokens = quote_spanned!(type_.span()=> #expanded::parameter::<#type_, _>(#name));
    if !description.is_empty() {
        tokens.extend(quote!(.description(#description)));
    }
    if let Some(value) = default {
        tokens.extend(quote_spanned!(value.span()=> .default(#value)));
    }
    tokens
}

/// What the builder gives, and the values of the parameters in it.
struct Given {
    /// The type of it.
    type_: TokenStream,
    /// What it is taken apart into.
    pattern: TokenStream,
    /// What has to be read first: with a schema by hand the builder gives JSON.
    reading: TokenStream,
    /// What the function is passed.
    passed: Vec<TokenStream>,
}

impl Given {
    fn new(parameters: &[Parameter], options: &Options, expanded: &TokenStream) -> Self {
        let (arguments, context) = (hidden("arguments"), hidden("context"));
        let mut given =
            Self { type_: quote!(()), pattern: quote!(()), reading: quote!(), passed: Vec::new() };
        for parameter in parameters {
            let value = hidden(&format!("value_{}", given.passed.len()));
            let (type_, read) = match parameter {
                Parameter::Context => {
                    given.passed.push(quote!(#context));
                    continue;
                }
                Parameter::Arguments(type_) => {
                    given.passed.push(quote!(#value));
                    (&**type_, quote_spanned!(type_.span()=> #expanded::read::<#type_>(#arguments)?))
                }
                Parameter::Argument(argument) => {
                    let Argument { name, type_, passing, .. } = &**argument;
                    given.passed.push(match passing {
                        Passing::Owned => quote!(#value),
                        Passing::Borrowed => quote!(&#value),
                    });
                    (type_, quote_spanned!(type_.span()=> #expanded::take::<#type_>(&mut #arguments, #name)?))
                }
            };
            given.reading.extend(quote!(let #value = #read;));
            let Self { type_: before, pattern, .. } = &given;
            (given.type_, given.pattern) = match parameter {
                Parameter::Arguments(_) => (quote!(#type_), quote!(#value)),
                _ => (quote!((#before, #type_)), quote!((#pattern, #value))),
            };
        }
        match options.parameters {
            Some(_) => Self { type_: quote!(#expanded::JsonMap), pattern: quote!(mut #arguments), ..given },
            None => Self { reading: quote!(), ..given },
        }
    }
}

/// The function that calls, and writes the result.
fn call(item: &ItemFn, parameters: &[Parameter], options: &Options, expanded: &TokenStream) -> TokenStream {
    let Given { type_, pattern, reading, passed } = Given::new(parameters, options, expanded);
    let (given, context, name) = (hidden("given"), hidden("context"), &item.sig.ident);
    let (returned, answer) = answer(item, expanded);
    let work = match item.sig.asyncness {
        Some(_) => quote! {
            let #returned = #name::run(#(#passed),*).await;
            #answer
        },
        None => quote! {
            let #context = ::core::clone::Clone::clone(#context);
            #expanded::off_thread(move || {
                let #context = &#context;
                let #returned = #name::run(#(#passed),*);
                #answer
            })
            .await
        },
    };
    quote! {
        #[allow(unused_imports, unused_mut, unused_variables, clippy::all, clippy::pedantic)]
        fn call<'call>(#given: #type_, #context: &'call #expanded::ToolContext) -> #expanded::Calling<'call> {
            use #expanded::Plain as _;
            ::std::boxed::Box::pin(async move {
                let #pattern = #given;
                #reading
                #work
            })
        }
    }
}

/// A name that no other function's body can mean.
fn hidden(name: &str) -> syn::Ident {
    syn::Ident::new(name, Span::mixed_site())
}

/// The name of what was returned, and what is made of it; what is wrong with its type is told there.
fn answer(item: &ItemFn, expanded: &TokenStream) -> (syn::Ident, TokenStream) {
    let span = match &item.sig.output {
        ReturnType::Default => item.sig.ident.span(),
        ReturnType::Type(_, type_) => type_.span(),
    };
    let returned = syn::Ident::new("returned", span.resolved_at(Span::mixed_site()));
    let answer = quote_spanned!(span=> #expanded::Returned(#returned).into_tool_result());
    (returned, answer)
}
