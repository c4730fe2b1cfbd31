//! The PostgreSQL backend: the published suites, and what only this backend has.
// Under `cfg(test)`, so that helpers too may panic.
#[cfg(test)]
mod it {
    mod adoption;
    mod conformance;
    mod load;
    mod loss;
    mod opening;
    mod proxy;
    mod recovery;
    mod rules;
    mod sample;
    mod sharing;
    mod steps;
    mod urls;
    mod world;
    mod writer;
}
