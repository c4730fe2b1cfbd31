//! The SQLite backend: the published suite, and what only this backend has.
// Under `cfg(test)`, so that helpers too may panic.
#[cfg(test)]
mod it {
    mod adoption;
    mod conformance;
    mod crash;
    mod limits;
    mod opening;
    mod plans;
    mod raw;
    mod sample;
    mod steps;
    mod upgrade;
    mod writer;
}
