//! Backends that break one rule each. A suite that lets one of them pass is broken itself.
//!
//! Each wraps a good backend and names the case that must find it.
mod approvals;
mod auth;
mod lock;
mod memory;
mod model;
mod persistence;
mod queue;
mod rates;
mod streams;

pub use approvals::{ForgetsToAsk, KeepsAsking, LosesDecisions};
pub use auth::AdmitsEmpty;
pub use lock::{IgnoresExpiry, StuckFence};
pub use memory::MixesScopes;
pub use model::EndsEarly;
pub use persistence::{
    CountsRows, CutsInstants, DropsLogEntries, IgnoresFences, IgnoresVisibility, LosesTransitions, Sabotage,
    Saboteur,
};
pub use queue::{IgnoresFence, RedeliversCompleted};
pub use rates::{ChargesLate, MixesKeys};
pub use streams::{
    BuriesTheLiving, ForgetsWhatWasSaid, KeepsKeys, LetsTurnsIn, LosesDrafts, TrustsLatePieces,
};
