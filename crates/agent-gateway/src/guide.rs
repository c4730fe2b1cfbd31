//! Guides: one task each, from its beginning to its proof.

// Its code is compiled by the tests of `examples/custom-backend`, whose types it shows.
#[cfg_attr(not(doctest), doc = include_str!("guide/custom_backend.md"))]
pub mod custom_backend {}

#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
#[doc = include_str!("guide/code_tools.md")]
pub mod code_tools {}
