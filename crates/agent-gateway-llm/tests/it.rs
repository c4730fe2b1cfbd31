//! The client against a scripted server: what goes over the wire, and every way in which a provider can fail.
mod it {
    mod conformance;
    mod failures;
    mod kit;
    mod providers;
    mod structured;
    mod wire;
}
