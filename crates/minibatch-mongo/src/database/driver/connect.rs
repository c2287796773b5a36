//! From a URL to a checked connection: whatever is wrong with either is said here, once and without the password.

use std::time::Duration;

use bson::{Document, doc};
use minibatch_core::{Cause, Error};
use mongodb::{
    Client,
    error::ErrorKind,
    options::{ClientOptions, Tls, TlsOptions},
};
use tokio::time::timeout;

use super::{super::Failure, Driver, classify, in_time, prepare};
use crate::MongoOptions;

const SCHEMES: [&str; 2] = ["mongodb://", "mongodb+srv://"];
const DEFAULT_DATABASE: &str = "minibatch";
/// How long to look for a server that can be written to, unless the URL says.
const SELECTION_TIME: Duration = Duration::from_secs(5);
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long to look for the reason why there is none.
const DIAGNOSIS_TIME: Duration = Duration::from_secs(1);
/// `maxWireVersion` of MongoDB 6.0.
const OLDEST_WIRE_VERSION: i32 = 17;

/// Connects, checks the server, and prepares the collections.
pub(crate) async fn connect(url: &str, options: &MongoOptions) -> Result<Driver, Error> {
    connected(url, options).await.map_err(|cause| Error::new(cause).during("connect"))
}

async fn connected(url: &str, options: &MongoOptions) -> Result<Driver, Cause> {
    let client_options = parse(url).await?;
    let from_url = client_options.default_database.clone();
    let database = options.database.clone().or(from_url).unwrap_or_else(|| DEFAULT_DATABASE.to_owned());
    if database.is_empty() || database.len() > 63 || database.contains(['/', '\\', '.', ' ', '"', '$', '\0']) {
        return Err(Cause::invalid_url("its database has a name that mongodb does not take"));
    }
    let client =
        Client::with_options(client_options.clone()).map_err(|error| classify::failure(&error).into_cause())?;
    let mut driver = Driver::new(client.database(&database), &options.prefix);
    let hello = match hello(&driver).await {
        Ok(hello) => hello,
        Err(failure) => return Err(diagnosis(client_options, failure).await),
    };
    driver.replicated = check(&hello)?;
    prepare::prepare(&driver).await.map_err(Failure::into_cause)?;
    Ok(driver)
}

/// The options of a URL, with those that the protocol depends on set whatever the URL says.
async fn parse(url: &str) -> Result<ClientOptions, Cause> {
    if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
        return Err(Cause::invalid_url("it begins neither with mongodb:// nor with mongodb+srv://"));
    }
    let parsed = timeout(SELECTION_TIME, async { ClientOptions::parse(url).await }).await;
    let parsed = parsed.map_err(|_| Cause::unavailable("the name service did not answer for the url's host"))?;
    // the driver's words may quote the url
    let mut options = parsed.map_err(|error| match &*error.kind {
        ErrorKind::DnsResolve { .. } => Cause::misconfigured("the url's host is not known to the name service"),
        _ => Cause::invalid_url(
            "it is not understood: check host and options, and percent-encode special characters of user and password",
        ),
    })?;
    if let Some(Tls::Enabled(TlsOptions { allow_invalid_certificates: Some(true), .. })) = &options.tls {
        return Err(Cause::invalid_url("it turns off the checking of certificates: name a tlsCAFile instead"));
    }
    options.server_selection_timeout.get_or_insert(SELECTION_TIME);
    options.connect_timeout.get_or_insert(CONNECT_TIME);
    options.app_name.get_or_insert_with(|| "minibatch".to_owned());
    options.retry_reads = Some(true);
    // every operation has its own; a `w=1` of the url must not weaken what is not an operation
    options.write_concern = None;
    options.read_concern = None;
    options.selection_criteria = None;
    Ok(options)
}

async fn hello(driver: &Driver) -> Result<Document, Failure> {
    let this = driver.clone();
    // the pool's connection authenticates before it carries anything
    in_time(
        async move { this.database.run_command(doc! { "hello": 1 }).await.map_err(|error| classify::failure(&error)) },
    )
    .await
}

/// Says whether the server is a replica set, or several behind routers.
fn check(hello: &Document) -> Result<bool, Cause> {
    if hello.get_i32("maxWireVersion").unwrap_or(0) < OLDEST_WIRE_VERSION {
        return Err(Cause::misconfigured("the server is too old: mongodb 6.0 or newer is needed"));
    }
    let sharded = hello.get_str("msg").is_ok_and(|message| message == "isdbgrid");
    let replicated = sharded || hello.get_str("setName").is_ok();
    if !replicated {
        tracing::warn!(
            "this mongodb is a standalone server: it does not survive the loss of its machine, has no transactions, and \
             new messages are seen by polling; start it with --replSet to have them"
        );
    }
    Ok(replicated)
}

/// Why no server was found that can be written to.
async fn diagnosis(mut options: ClientOptions, failure: Failure) -> Cause {
    let Failure::NotApplied(_) = &failure else { return failure.into_cause() };
    let Some(asked) = options.repl_set_name.take() else { return failure.into_cause() };
    options.hosts.truncate(1);
    options.direct_connection = Some(true);
    options.server_selection_timeout = Some(DIAGNOSIS_TIME);
    let Ok(client) = Client::with_options(options) else { return failure.into_cause() };
    let database = client.database("admin");
    let hello =
        timeout(DIAGNOSIS_TIME * 2, tokio::spawn(async move { database.run_command(doc! { "hello": 1 }).await }));
    match hello.await {
        Ok(Ok(Ok(hello))) => match hello.get_str("setName") {
            Ok(name) if name == asked => failure.into_cause(),
            Ok(name) => Cause::misconfigured(format!(
                "replicaSet of the url is wrong, correct it: replicaSet=`{asked}` server=`{name}`"
            )),
            Err(_) => Cause::misconfigured(format!(
                "replicaSet of the url is wrong, the server is in none: replicaSet=`{asked}`"
            )),
        },
        _ => failure.into_cause(),
    }
}
