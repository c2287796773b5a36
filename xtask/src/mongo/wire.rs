//! The small part of MongoDB's wire protocol that it takes to initiate a replica set: one `OP_MSG`, one reply.
//!
//! Not a driver: the real one would make each build of xtask minutes long.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bson::Document;

const OP_MSG: i32 = 2013;
/// Length, request id, id that is answered, operation: four little-endian 32-bit integers.
const HEADER: usize = 16;
/// The flags and the kind of the only section.
const PREFIX: usize = 5;
/// What a mongod itself accepts at most.
const LONGEST: usize = 48_000_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to a mongod on this machine.
#[derive(Debug)]
pub(crate) struct Connection(TcpStream);

impl Connection {
    pub(crate) fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("cannot connect to the mongod on port {port}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// Runs `command` on the database `admin`; a reply that is not ok is an error.
    pub(crate) fn run(&mut self, mut command: Document) -> Result<Document> {
        let name = command.keys().next().cloned().unwrap_or_default();
        command.insert("$db", "admin");
        self.0.write_all(&encode(&command)?)?;
        let reply = read(&mut self.0).with_context(|| format!("no reply to `{name}`"))?;
        if number(&reply, "ok") != Some(1) {
            let why = reply.get_str("errmsg").unwrap_or("no reason given");
            bail!("mongod refused `{name}`: {why}");
        }
        Ok(reply)
    }
}

/// A whole number, in whichever of BSON's numeric types the server chose.
pub(crate) fn number(document: &Document, key: &str) -> Option<i64> {
    match document.get(key)? {
        bson::Bson::Int32(number) => Some(i64::from(*number)),
        bson::Bson::Int64(number) => Some(*number),
        // `ok: 1.0` is the one that comes as a double.
        bson::Bson::Double(number) => Some(i64::from(*number == 1.0)),
        _ => None,
    }
}

fn encode(body: &Document) -> Result<Vec<u8>> {
    let body = body.to_vec()?;
    let length = i32::try_from(HEADER + PREFIX + body.len()).context("the command is too long")?;
    let mut message = Vec::with_capacity(HEADER + PREFIX + body.len());
    let (request, answers) = (1_i32, 0_i32);
    for field in [length, request, answers, OP_MSG] {
        message.extend(field.to_le_bytes());
    }
    message.extend([0; PREFIX]);
    message.extend(body);
    Ok(message)
}

fn read(from: &mut impl Read) -> Result<Document> {
    let [length, _request, _answers, operation] = [(); 4].map(|()| read_i32(from));
    let (length, operation) = (usize::try_from(length?)?, operation?);
    if operation != OP_MSG || !(HEADER + PREFIX..=LONGEST).contains(&length) {
        bail!("something else than a mongod answered");
    }
    let mut message = vec![0; length - HEADER];
    from.read_exact(&mut message)?;
    let body = message.get(PREFIX..).unwrap_or_default();
    Document::from_reader(body).context("the reply is not BSON")
}

fn read_i32(from: &mut impl Read) -> Result<i32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(i32::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    #[test]
    fn what_is_encoded_is_read_again() {
        let command = doc! { "hello": 1, "$db": "admin" };
        let message = encode(&command).unwrap();
        assert_eq!(i32::from_le_bytes(message[..4].try_into().unwrap()), i32::try_from(message.len()).unwrap());
        assert_eq!(read(&mut message.as_slice()).unwrap(), command);
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        let whole = encode(&doc! { "hello": 1 }).unwrap();
        read(&mut &whole[..whole.len() - 1]).unwrap_err();
        read(&mut &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..]).unwrap_err();
        let mut endless = whole;
        endless[..4].copy_from_slice(&i32::MAX.to_le_bytes());
        read(&mut endless.as_slice()).unwrap_err();
    }

    #[test]
    fn numbers_come_in_three_types() {
        let reply = doc! { "ok": 1.0, "failed": 0.0, "int": 7_i32, "long": 8_i64, "text": "9" };
        let numbers = ["ok", "failed", "int", "long", "text", "absent"].map(|key| number(&reply, key));
        assert_eq!(numbers, [Some(1), Some(0), Some(7), Some(8), None, None]);
    }
}
