//! Where definitions come from.
use std::fmt;

use async_trait::async_trait;

use crate::{Result, definitions::Definitions};

/// Reads what is to be served.
#[async_trait]
pub trait DefinitionSource: fmt::Debug + Send + Sync + 'static {
    /// Reads everything anew.
    ///
    /// - One bad entity harms only itself: it is left out and named in the diagnostics.
    /// - `Err` means that nothing could be read at all.
    async fn read(&self) -> Result<Definitions>;
}
