//! A server of a test's own, with users and with TLS, started from the mongod of `MINIBATCH_TEST_MONGOD`.
//!
//! A small shell script stands between: it ends the server, and removes its folder, when its standard input closes, which
//! the kernel does whatever becomes of the test.

#![cfg(unix)]

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use minibatch_mongo::MongoOptions;
use mongodb::{Client, Database, bson::doc, options::ClientOptions};
use serde_json::Value;

use crate::certificates::Certificates;

const VARIABLE: &str = "MINIBATCH_TEST_MONGOD";

const GUARD: &str = r#"
folder=$1; shift
"$@" </dev/null 2>&1 &
exec >/dev/null 2>&1
cat
kill -KILL $!
wait $!
rm -rf "$folder"
"#;

// numbers of lines in the server's log
const WAITING_FOR_CONNECTIONS: i64 = 23_016;
const PRIMARY_TAKES_WRITES: i64 = 21_331;

/// The database that the tests work in.
pub(crate) const DATABASE: &str = "plant";
/// The user who may do everything.
const ROOT: (&str, &str) = ("root", "root-password");

/// A replica set of one. Its certificate is for `localhost`, and not for `127.0.0.1`.
pub(crate) struct Mongod {
    guard: Child,
    pub(crate) port: u16,
    /// Outlives the server: it holds the certificates that clients are given.
    pub(crate) certificates: Certificates,
}

/// The binary, or why the test does not run.
fn binary() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(VARIABLE) {
        return Some(path.into());
    }
    let required = std::env::var("MINIBATCH_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name.trim() == "mongo"), "mongo is required: set {VARIABLE}");
    println!("skipped: set {VARIABLE} to the path of a mongod to run this test with servers of its own");
    None
}

impl Mongod {
    /// Starts a server; `None` where there is no mongod.
    pub(crate) async fn start() -> Option<Self> {
        let binary = binary()?;
        let certificates = Certificates::new("localhost");
        let folder = tempfile::tempdir().unwrap().keep();
        let mut guard = spawn(&binary, &folder, &certificates);
        let mut log = BufReader::new(guard.stdout.take().unwrap());
        let waiting = wait_for(&mut log, WAITING_FOR_CONNECTIONS);
        let port = u16::try_from(waiting["attr"]["port"].as_u64().unwrap()).unwrap();
        let server = Self { guard, port, certificates };
        let url = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
        let admin = Client::with_uri_str(&url).await.unwrap().database("admin");
        let member = doc! { "_id": 0, "host": format!("localhost:{port}") };
        admin.run_command(doc! { "replSetInitiate": { "_id": "rs0", "members": [member] } }).await.unwrap();
        wait_for(&mut log, PRIMARY_TAKES_WRITES);
        // a full pipe would stop the server
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let (name, password) = ROOT;
        admin.run_command(doc! { "createUser": name, "pwd": password, "roles": ["root"] }).await.unwrap();
        Some(server)
    }

    /// The URL of a user, with options.
    pub(crate) fn url(&self, user: &str, password: &str, options: &str) -> String {
        format!("mongodb://{user}:{password}@localhost:{}/{DATABASE}?directConnection=true{options}", self.port)
    }

    /// The database with all rights.
    pub(crate) async fn database(&self) -> Database {
        let (name, password) = ROOT;
        let options = ClientOptions::parse(self.url(name, password, "&authSource=admin")).await.unwrap();
        Client::with_options(options).unwrap().database(DATABASE)
    }

    /// Makes a user of the database with that role; its password is its name.
    pub(crate) async fn add_user(&self, name: &str, role: &str) {
        let user = doc! { "createUser": name, "pwd": name, "roles": [role], "mechanisms": ["SCRAM-SHA-256"] };
        self.database().await.run_command(user).await.unwrap();
    }
}

/// The options of the tests' storages: records are deleted as early as can be.
pub(crate) fn options() -> MongoOptions {
    MongoOptions::default().with_trim_grace(std::time::Duration::ZERO)
}

fn spawn(binary: &Path, folder: &Path, certificates: &Certificates) -> Child {
    let (data, key) = (folder.join("data"), folder.join("key"));
    fs::create_dir(&data).unwrap();
    fs::write(&key, "onlyForThisTest").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", GUARD, "mongod-guard"]).arg(folder);
    command.arg(binary).arg("--dbpath").arg(data).arg("--keyFile").arg(key).arg("--auth");
    command.args(["--replSet", "rs0", "--bind_ip", "127.0.0.1", "--port", "0", "--nounixsocket"]);
    command.args(["--wiredTigerCacheSizeGB", "0.25", "--networkMessageCompressors", "snappy,zstd"]);
    command.args(["--tlsMode", "allowTLS", "--tlsAllowConnectionsWithoutCertificates"]);
    command.arg("--tlsCertificateKeyFile").arg(certificates.server());
    command.arg("--tlsCAFile").arg(certificates.authority());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

fn wait_for(log: &mut BufReader<ChildStdout>, id: i64) -> Value {
    let mut last_words = String::new();
    for line in log.lines() {
        let line = line.unwrap();
        match serde_json::from_str::<Value>(&line) {
            Ok(entry) if entry["id"].as_i64() == Some(id) => return entry,
            _ => last_words = line,
        }
    }
    panic!("mongod ended: {last_words}");
}

impl Drop for Mongod {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}
