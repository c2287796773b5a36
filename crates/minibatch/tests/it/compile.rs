//! What the compiler says of wrong programs: it points at what is wrong and says what to do.

#[test]
fn mistakes_are_explained_where_they_are() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
