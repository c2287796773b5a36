//! Which server answers: one that is too old is refused, what is weak about another is said when it is connected to.

use bson::{Bson, Document, doc};
use minibatch_core::Cause;
use mongodb::options::ServerAddress;

use super::{super::Failure, Driver, classify, in_time};

/// `maxWireVersion` of MongoDB 6.0.
const OLDEST_WIRE_VERSION: i32 = 17;

/// Hosts of services that speak MongoDB's protocol over another database.
const IMITATORS: [&str; 3] = [".cosmos.azure.com", ".docdb.amazonaws.com", ".docdb-elastic.amazonaws.com"];

/// The first releases with a mend for CVE-2025-14847, which lets anybody read the server's memory where zlib is on:
/// <https://jira.mongodb.org/browse/SERVER-115508>.
const MENDED: [(i64, i64, i64); 4] = [(6, 0, 27), (7, 0, 28), (8, 0, 17), (8, 2, 3)];

/// What the server says of itself. It asks for zlib, which this client never uses, to learn whether the server has it.
pub(super) async fn hello(driver: &Driver) -> Result<Document, Failure> {
    let this = driver.clone();
    // the pool's connection authenticates before it carries anything
    let hello = doc! { "hello": 1, "compression": ["zlib"] };
    in_time(async move { this.database.run_command(hello).await.map_err(|error| classify::failure(&error)) }).await
}

/// Refuses a server that is too old.
pub(super) fn check(hello: &Document) -> Result<(), Cause> {
    if hello.get_i32("maxWireVersion").unwrap_or(0) < OLDEST_WIRE_VERSION {
        return Err(Cause::misconfigured("the server is too old: mongodb 6.0 or newer is needed"));
    }
    Ok(())
}

/// Logs a warning for everything that makes the server weaker than it could be.
pub(super) async fn warn(driver: &Driver, hosts: &[ServerAddress], hello: &Document) {
    let build = ask(driver, doc! { "buildInfo": 1 }).await;
    let parameters = ask(driver, doc! { "getParameter": 1, "enableTestCommands": 1 }).await;
    for weakness in weaknesses(hosts, hello, &build, &parameters) {
        tracing::warn!("{weakness}");
    }
}

/// The reply, or nothing where the server does not answer this or not to this user: what it says is good to know and no
/// more.
async fn ask(driver: &Driver, command: Document) -> Document {
    let admin = driver.database.client().database("admin");
    let asked = async move { admin.run_command(command).await.map_err(|error| classify::failure(&error)) };
    in_time(asked).await.unwrap_or_default()
}

fn weaknesses(hosts: &[ServerAddress], hello: &Document, build: &Document, parameters: &Document) -> Vec<&'static str> {
    let mut found = Vec::new();
    let sharded = hello.get_str("msg").is_ok_and(|message| message == "isdbgrid");
    if !sharded && hello.get_str("setName").is_err() {
        found.push(
            "this mongodb is a standalone server: it does not survive the loss of its machine, has no transactions, and \
             new messages are seen by polling; start it with --replSet to have them",
        );
    }
    if build.keys().any(|key| key.starts_with("ferretdb")) || hosts.iter().any(is_imitator) {
        found.push("this server imitates mongodb over another database: minibatch is tested with mongodb alone");
    }
    let zlib = hello.get_array("compression").is_ok_and(|names| names.contains(&Bson::from("zlib")));
    if zlib && version(build).is_some_and(is_leaky) {
        found.push(
            "this mongodb has CVE-2025-14847, anybody who reaches it can read its memory: update it (6.0.27, 7.0.28, \
             8.0.17, 8.2.3 or newer) or start it with --networkMessageCompressors snappy,zstd",
        );
    }
    if matches!(parameters.get("enableTestCommands"), Some(Bson::Boolean(true) | Bson::Int32(1))) {
        found.push("this mongodb has its test commands on, with which anybody can make it fail: not for production");
    }
    found
}

fn is_imitator(address: &ServerAddress) -> bool {
    match address {
        ServerAddress::Tcp { host, .. } => IMITATORS.iter().any(|imitator| host.ends_with(imitator)),
        _ => false,
    }
}

fn version(build: &Document) -> Option<(i64, i64, i64)> {
    let mut numbers = build.get_array("versionArray").ok()?.iter().map(|number| match number {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        _ => None,
    });
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

/// True below the mended release of the same line; a line that ended before, or without one, was never mended.
fn is_leaky(version: (i64, i64, i64)) -> bool {
    let line = |(major, minor, _): (i64, i64, i64)| (major, minor);
    match MENDED.iter().find(|mended| line(**mended) == line(version)) {
        Some(mended) => version < *mended,
        None => line(version) < (8, 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica_set() -> Document {
        doc! { "maxWireVersion": 17, "setName": "rs0" }
    }

    fn build(major: i32, minor: i32, patch: i32) -> Document {
        doc! { "versionArray": [major, minor, patch, 0] }
    }

    #[track_caller]
    fn check_weak(hosts: &[&str], hello: &Document, build: &Document, parameters: &Document, words: &[&str]) {
        let hosts: Vec<_> =
            hosts.iter().map(|host| ServerAddress::Tcp { host: (*host).to_owned(), port: None }).collect();
        let found = weaknesses(&hosts, hello, build, parameters);
        assert_eq!(found.len(), words.len(), "{found:?}");
        assert!(found.iter().zip(words).all(|(text, word)| text.contains(word)), "{found:?}");
    }

    #[test]
    fn nothing_is_said_of_a_good_server() {
        let off = doc! { "enableTestCommands": false };
        check_weak(&["db.example.org"], &replica_set(), &build(8, 2, 3), &off, &[]);
        let router = doc! { "maxWireVersion": 17, "msg": "isdbgrid" };
        check_weak(&["db.example.org"], &router, &doc! {}, &doc! {}, &[]);
    }

    #[test]
    fn what_is_weak_is_said() {
        let nothing = doc! {};
        check_weak(&[], &doc! { "maxWireVersion": 17 }, &nothing, &nothing, &["standalone"]);
        check_weak(&[], &replica_set(), &doc! { "ferretdb": { "version": "v2" } }, &nothing, &["imitates"]);
        check_weak(&["x.cosmos.azure.com"], &replica_set(), &nothing, &nothing, &["imitates"]);
        for on in [doc! { "enableTestCommands": true }, doc! { "enableTestCommands": 1 }] {
            check_weak(&[], &replica_set(), &nothing, &on, &["test commands"]);
        }
        let mut zlib = replica_set();
        zlib.insert("compression", ["zlib"]);
        check_weak(&[], &zlib, &build(6, 0, 5), &nothing, &["CVE-2025-14847"]);
        check_weak(&[], &replica_set(), &build(6, 0, 5), &nothing, &[]);
    }

    #[test]
    fn a_line_is_leaky_below_its_mended_release() {
        for leaky in [(6, 0, 5), (6, 0, 26), (6, 3, 2), (7, 0, 27), (7, 3, 4), (8, 0, 16), (8, 1, 9), (8, 2, 2)] {
            assert!(is_leaky(leaky), "{leaky:?}");
        }
        for mended in [(6, 0, 27), (7, 0, 28), (8, 0, 17), (8, 2, 3), (8, 3, 0), (9, 0, 0)] {
            assert!(!is_leaky(mended), "{mended:?}");
        }
    }

    #[test]
    fn old_servers_are_refused() {
        assert!(check(&doc! { "maxWireVersion": 13 }).is_err());
        assert!(check(&doc! {}).is_err());
        assert!(check(&replica_set()).is_ok());
    }
}
