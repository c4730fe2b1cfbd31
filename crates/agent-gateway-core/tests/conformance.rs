//! The published suites, run on the backends of `in_process`.
mod conformance {
    mod auth;
    mod lock;
    mod memory;
    mod persistence;
    mod queue;
    mod rates;
}
