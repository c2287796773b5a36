//! From a URL to a checked connection: whatever is wrong with either is said here, once and without the password.

use std::time::Duration;

use minibatch_core::{Cause, Error};
use mongodb::{
    Client,
    error::ErrorKind,
    options::{ClientOptions, Tls, TlsOptions},
};
use tokio::time::timeout;

use super::{
    super::Failure,
    Driver, classify,
    diagnosis::{Certificate, diagnosis},
    prepare, server,
    sessions::Sessions,
};
use crate::MongoOptions;

const SCHEMES: [&str; 2] = ["mongodb://", "mongodb+srv://"];
const DEFAULT_DATABASE: &str = "minibatch";
/// How long to look for a server that can be written to, unless the URL says.
const SELECTION_TIME: Duration = Duration::from_secs(5);
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// Connects, checks the server, and prepares the collections.
pub(crate) async fn connect(url: &str, options: &MongoOptions) -> Result<Driver, Error> {
    let connected = async {
        let driver = reached(url, options).await?;
        prepare::prepare(&driver).await.map_err(Failure::into_cause)?;
        Ok(driver)
    };
    connected.await.map_err(|cause: Cause| Error::new(cause).during("connect"))
}

/// Connects and checks the server, and makes nothing.
pub(crate) async fn reach(url: &str, options: &MongoOptions) -> Result<Driver, Error> {
    Ok(reached(url, options).await?)
}

async fn reached(url: &str, options: &MongoOptions) -> Result<Driver, Cause> {
    let mut client_options = parse(url, options.invalid_certificates).await?;
    let from_url = client_options.default_database.clone();
    let database = options.database.clone().or(from_url).unwrap_or_else(|| DEFAULT_DATABASE.to_owned());
    if database.is_empty() || database.len() > 63 || database.contains(['/', '\\', '.', ' ', '"', '$', '\0']) {
        return Err(Cause::invalid_url("its database has a name that mongodb does not take"));
    }
    let certificate = Certificate::default();
    client_options.sdam_event_handler = Some(certificate.watch());
    let client =
        Client::with_options(client_options.clone()).map_err(|error| classify::failure(&error).into_cause())?;
    let mut driver = Driver::new(client.database(&database), &options.prefix, client_options.credential.is_some());
    let hello = match server::hello(&driver).await {
        Ok(hello) => hello,
        Err(failure) => return Err(diagnosis(client_options, &certificate, failure).await),
    };
    driver.replicated = server::check(&hello)?;
    if driver.replicated {
        let sessions = Sessions::start(&client).await;
        driver.sessions = sessions.map_err(|error| classify::failure(&error).into_cause())?;
    }
    server::warn(&driver, &client_options.hosts, &hello).await;
    Ok(driver)
}

/// The options of a URL, with those that the protocol depends on set whatever the URL says.
async fn parse(url: &str, invalid_certificates: bool) -> Result<ClientOptions, Cause> {
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
    if let Some(Tls::Enabled(TlsOptions { allow_invalid_certificates, .. })) = &mut options.tls {
        if *allow_invalid_certificates == Some(true) {
            return Err(Cause::invalid_url("it turns off the checking of certificates: name a tlsCAFile instead"));
        }
        if invalid_certificates {
            tracing::warn!(
                "the server's tls certificate is not checked: anybody in between can read and change it all"
            );
            *allow_invalid_certificates = Some(true);
        }
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
