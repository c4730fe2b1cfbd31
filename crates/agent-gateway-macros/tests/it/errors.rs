//! What the compiler says when a function cannot be a tool. `TRYBUILD=overwrite` writes the expected texts anew.

#[test]
fn the_compiler_says_what_is_wrong_in_the_words_of_tools() {
    trybuild::TestCases::new().compile_fail("tests/errors/*.rs");
}
