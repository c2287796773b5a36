//! Where a consumer's windows take effect.

use std::{fs, path::PathBuf};

use anyhow::Result;
use bson::doc;
use minibatch::{Window, params};
use minibatch_testkit::history::Key;

use super::{Consumer, Delivery};
use crate::message::Note;

/// The table or collection of a transactional consumer: `window`, `lane`, `number`, for each message.
pub(crate) const EFFECTS: &str = "effects";

/// The sink of a consumer.
#[derive(Debug)]
pub(super) enum Sink {
    Files(PathBuf),
    Rows,
    Documents,
    /// Elsewhere: what the function gives is appended.
    Given,
}

impl Sink {
    pub(super) fn of(consumer: &Consumer) -> Self {
        match consumer.delivery {
            Delivery::Files | Delivery::Idempotent => Self::Files(consumer.sink.clone()),
            Delivery::Transactional if consumer.url.starts_with("sqlite:") => Self::Rows,
            Delivery::Transactional => Self::Documents,
            Delivery::Into => Self::Given,
        }
    }

    /// Takes a window's messages.
    pub(super) fn take(&self, window: &Window<Note>) -> Result<()> {
        let (id, effects) = (window.id.to_string(), window.effects());
        let keys = window.data.iter().map(Note::key);
        match self {
            Self::Given => {}
            Self::Files(folder) => {
                let draft = folder.join(format!("{id}.{}", std::process::id()));
                fs::write(&draft, serde_json::to_vec(&keys.collect::<Vec<Key>>())?)?;
                // in one step, in place of what is there
                fs::rename(&draft, folder.join(id))?;
            }
            Self::Rows => {
                let insert = format!("INSERT INTO {EFFECTS} (\"window\", lane, number) VALUES (?1, ?2, ?3)");
                for Key { lane, number } in keys {
                    effects.sql(&insert, params![id.as_str(), i64::from(lane), i64::try_from(number)?])?;
                }
            }
            Self::Documents => {
                for Key { lane, number } in keys {
                    let note = doc! { "window": &id, "lane": i64::from(lane), "number": i64::try_from(number)? };
                    effects.insert(EFFECTS, note)?;
                }
            }
        }
        Ok(())
    }
}
