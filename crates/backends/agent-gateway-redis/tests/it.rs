//! The Redis backend: the published suites, and what only this backend has.
// Under `cfg(test)`, so that helpers too may panic.
#[cfg(test)]
mod it {
    mod conformance;
    mod losing;
    mod names;
    mod opening;
    mod pace;
    mod raw;
    mod sharing;
    mod stream;
    mod world;
}
