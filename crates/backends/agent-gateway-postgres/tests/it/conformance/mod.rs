//! The published suites.
mod persistence;
mod queue;
