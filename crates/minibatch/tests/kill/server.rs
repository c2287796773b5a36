//! The server that tests over MongoDB run on.

/// The test server with a database of this test's own; `None`, said aloud, where there is none and none is required.
#[expect(clippy::print_stdout, clippy::unwrap_used, reason = "a skipped test says so, one that cannot go on fails")]
pub(crate) fn mongo_url(test: &str) -> Option<String> {
    let required =
        std::env::var("MINIBATCH_REQUIRE").is_ok_and(|required| required.split(',').any(|one| one.trim() == "mongo"));
    let Ok(url) = std::env::var("MINIBATCH_TEST_MONGO_URL") else {
        assert!(!required, "MINIBATCH_REQUIRE asks for MongoDB, MINIBATCH_TEST_MONGO_URL is not set");
        println!("skipped: MINIBATCH_TEST_MONGO_URL is not set");
        return None;
    };
    let (server, query) = url.split_once('?').map_or((url.as_str(), ""), |(server, query)| (server, query));
    let host = server.strip_prefix("mongodb://").and_then(|rest| rest.split('/').next()).unwrap();
    Some(format!("mongodb://{host}/minibatch_{test}_{}?{query}", std::process::id()))
}
