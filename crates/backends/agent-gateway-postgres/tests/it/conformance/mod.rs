//! The published suites.
mod lock;
mod persistence;
mod queue;
