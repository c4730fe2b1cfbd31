//! Every wire against a scripted server, in the documented shape of its provider's answers.
mod it {
    mod conformance;
    mod failures;
    mod kit;
    mod requests;
    mod structured;
    mod wires;

    mod answers;
}
