//! The few operators of MongoDB that the protocol uses.

use std::cmp::Ordering;

use bson::{Bson, DateTime, Document, RawBsonRef, RawDocument, RawDocumentBuf};
use minibatch_core::Timestamp;

use super::super::{Change, Filter, Test, Update};

/// The field, which may be one of a document's within; null where it is missing.
pub(super) fn value(document: &RawDocument, field: &str) -> Bson {
    let (outer, inner) = field.split_once('.').map_or((field, None), |(outer, inner)| (outer, Some(inner)));
    match (document.get(outer).unwrap(), inner) {
        (Some(RawBsonRef::Document(within)), Some(inner)) => value(within, inner),
        (Some(found), None) => Bson::try_from(found).unwrap(),
        _ => Bson::Null,
    }
}

/// As MongoDB compares values of one type; others are not compared.
pub(super) fn compare(a: &Bson, b: &Bson) -> Option<Ordering> {
    match (a, b) {
        (Bson::Int64(a), Bson::Int64(b)) => Some(a.cmp(b)),
        (Bson::String(a), Bson::String(b)) => Some(a.cmp(b)),
        (Bson::DateTime(a), Bson::DateTime(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

pub(super) fn matches(document: &RawDocument, filter: &Filter, now: Timestamp) -> bool {
    // the last conditions fail most
    filter.0.iter().rev().all(|(field, test)| {
        if let (Test::Eq(Bson::Int64(wanted)), Ok(found)) = (test, document.get_i64(field)) {
            return found == *wanted;
        }
        let found = value(document, field);
        let is =
            |other: &Bson, wanted: &[Ordering]| compare(&found, other).is_some_and(|order| wanted.contains(&order));
        let now = || Bson::DateTime(DateTime::from_millis(now.as_millis()));
        match test {
            Test::Eq(other) => found == *other,
            Test::Lt(other) => is(other, &[Ordering::Less]),
            Test::Lte(other) => is(other, &[Ordering::Less, Ordering::Equal]),
            Test::Gte(other) => is(other, &[Ordering::Greater, Ordering::Equal]),
            Test::Gt(other) => is(other, &[Ordering::Greater]),
            // what is missing comes before all times
            Test::Past => found == Bson::Null || is(&now(), &[Ordering::Less, Ordering::Equal]),
            Test::Future => is(&now(), &[Ordering::Greater]),
        }
    })
}

pub(super) fn apply(mut document: Document, update: &Update, now: Timestamp) -> Document {
    let before = RawDocumentBuf::try_from(&document).unwrap();
    for (field, change) in &update.0 {
        let old = value(&before, field);
        let new = match change {
            Change::Set(new) => new.clone(),
            Change::Default(new) => {
                if old == Bson::Null {
                    new.clone()
                } else {
                    old
                }
            }
            Change::Add(number) => Bson::Int64(old.as_i64().unwrap_or(0) + number),
            Change::Max(new) => {
                if compare(&old, new) == Some(Ordering::Greater) {
                    old
                } else {
                    new.clone()
                }
            }
            Change::Beyond { unless: (field, done), .. } if value(&before, field) == Bson::Int64(*done) => old,
            Change::Beyond { other, value: least, .. } => {
                let number = |value: Bson| value.as_i64().unwrap_or(0);
                Bson::Int64(number(old).max(number(value(&before, other))).max(*least) + 1)
            }
            Change::NowPlus(duration) => DateTime::from_millis(now.plus(*duration).as_millis()).into(),
            Change::NowMinus(duration) => DateTime::from_millis(now.minus(*duration).as_millis()).into(),
        };
        match field.split_once('.') {
            Some((outer, inner)) => drop(document.get_document_mut(outer).unwrap().insert(inner, new)),
            None => drop(document.insert(*field, new)),
        }
    }
    document
}

pub(super) fn project(document: &RawDocument, fields: &[&str]) -> RawDocumentBuf {
    if fields.is_empty() {
        return document.to_owned();
    }
    let mut projected = RawDocumentBuf::new();
    for element in document {
        let (name, value) = element.unwrap();
        if fields.contains(&name.as_str()) {
            projected.append(name, value);
        }
    }
    projected
}
