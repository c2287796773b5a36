//! Names that users give: streams, groups, producers; and ids of members.

use std::{fmt, sync::Arc};

use crate::{Cause, Error};

const MAX_LEN: usize = 120;
const RESERVED_SUFFIXES: [&str; 2] = [".dead", ".late"];

/// Why `name` is not `[A-Za-z0-9][A-Za-z0-9._-]{0,119}` without `..`, if it is not.
fn broken_rule(name: &str) -> Option<&'static str> {
    let mut bytes = name.bytes();
    let Some(first) = bytes.next() else { return Some("it is empty") };
    if name.len() > MAX_LEN {
        return Some("it is over 120 characters");
    }
    if !first.is_ascii_alphanumeric() {
        return Some("it must begin with a letter or digit of ASCII");
    }
    if !bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        return Some("it may hold letters and digits of ASCII, dot, underscore and hyphen only");
    }
    name.contains("..").then_some("it may not hold two dots in a row")
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &*self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// The name of a stream: `[A-Za-z0-9][A-Za-z0-9._-]{0,119}`, no `..`.
    ///
    /// ```
    /// use minibatch_core::StreamName;
    ///
    /// let quakes = StreamName::new("quakes")?;
    /// assert_eq!(quakes.dead().as_str(), "quakes.dead");
    /// assert!(StreamName::new("$quakes").is_err());
    /// # Ok::<(), minibatch_core::Error>(())
    /// ```
    StreamName
}

name! {
    /// The name of a group, by the rules of [`StreamName`].
    GroupName
}

name! {
    /// The id of a producer. A user's own id follows the rules of [`StreamName`] and survives restarts.
    ProducerId
}

name! {
    /// The id of a member: one connected process, drawn at random by the storage.
    MemberId
}

impl StreamName {
    /// Checks a user's name for a stream. The endings `.dead` and `.late` belong to the streams derived from one.
    ///
    /// # Errors
    /// [`Cause::InvalidName`] with the rule that is broken.
    pub fn new(name: &str) -> Result<Self, Error> {
        let reserved = RESERVED_SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
        match broken_rule(name) {
            None if reserved => Err(Cause::invalid_name("stream", "the endings .dead and .late are reserved").into()),
            None => Ok(Self(name.into())),
            Some(rule) => Err(Cause::invalid_name("stream", rule).into()),
        }
    }

    /// A name read back from a storage, derived streams included.
    ///
    /// # Errors
    /// [`Cause::InvalidName`] with the rule that is broken.
    pub fn stored(name: &str) -> Result<Self, Error> {
        let base = RESERVED_SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        broken_rule(base).map_or_else(|| Ok(Self(name.into())), |rule| Err(Cause::invalid_name("stream", rule).into()))
    }

    /// The stream that takes this one's dead letters.
    #[must_use]
    pub fn dead(&self) -> Self {
        Self(format!("{self}.dead").into())
    }

    /// The stream that takes this one's late messages.
    #[must_use]
    pub fn late(&self) -> Self {
        Self(format!("{self}.late").into())
    }

    /// True for the streams derived from another: dead letters and late messages.
    #[must_use]
    pub fn is_derived(&self) -> bool {
        RESERVED_SUFFIXES.iter().any(|suffix| self.0.ends_with(suffix))
    }
}

impl GroupName {
    /// Checks a user's name for a group.
    ///
    /// # Errors
    /// [`Cause::InvalidName`] with the rule that is broken.
    pub fn new(name: &str) -> Result<Self, Error> {
        broken_rule(name).map_or_else(|| Ok(Self(name.into())), |rule| Err(Cause::invalid_name("group", rule).into()))
    }
}

impl ProducerId {
    /// Checks a user's id for a producer.
    ///
    /// # Errors
    /// [`Cause::InvalidName`] with the rule that is broken.
    pub fn new(id: &str) -> Result<Self, Error> {
        broken_rule(id).map_or_else(|| Ok(Self(id.into())), |rule| Err(Cause::invalid_name("producer", rule).into()))
    }

    /// An id that no user can give, for control records: `~` and the purpose.
    #[must_use]
    pub fn reserved(purpose: &str) -> Self {
        Self(format!("~{purpose}").into())
    }

    /// An id of 128 bits drawn at random for the life of one producer: nobody else ever registers it. No user can give it.
    ///
    /// Storages may rely on that, and save themselves what keeps an heir's chunks apart from a former registration's.
    #[must_use]
    pub fn random(bits: u128) -> Self {
        Self(format!("~{bits:032x}").into())
    }

    /// Whether it is [such an id](Self::random).
    #[must_use]
    pub fn is_random(&self) -> bool {
        let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        self.0.strip_prefix('~').is_some_and(|bits| bits.len() == 32 && bits.bytes().all(is_digit))
    }

    /// An id read back from a storage.
    #[must_use]
    pub fn stored(id: &str) -> Self {
        Self(id.into())
    }
}

impl MemberId {
    /// A member's id, as the storage drew it.
    #[must_use]
    pub fn stored(id: &str) -> Self {
        Self(id.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepts_what_the_rule_says() {
        for name in ["a", "0", "quakes", "A.b_c-9", &"x".repeat(120)] {
            assert_eq!(StreamName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_the_rest() {
        let long = "x".repeat(121);
        for name in ["", "a/b", "$x", "..", "a..b", "a\0", "🌋", "\u{202e}x", ".a", "-a", "~tomb", "a b", &long] {
            assert!(
                matches!(StreamName::new(name).unwrap_err().cause(), Cause::InvalidName { what: "stream", .. }),
                "{name:?}"
            );
            assert!(GroupName::new(name).is_err(), "{name:?}");
            assert!(ProducerId::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn random_ids_are_known_as_such() {
        let random = ProducerId::random(u128::MAX - 1);
        assert_eq!(random.as_str(), "~fffffffffffffffffffffffffffffffe");
        assert!(random.is_random() && ProducerId::random(0).is_random());
        for other in ["~tomb", "0123456789abcdef0123456789abcdef", "~0123456789abcdef0123456789abcdeF", "~"] {
            assert!(!ProducerId::stored(other).is_random(), "{other}");
        }
    }

    #[test]
    fn derived_streams_are_reserved_but_load() {
        assert!(StreamName::new("q.dead").is_err());
        let longest = StreamName::new(&"x".repeat(120)).unwrap().dead();
        assert_eq!(StreamName::stored(longest.as_str()).unwrap(), longest);
        assert!(longest.is_derived());
    }

    /// What `[A-Za-z0-9][A-Za-z0-9._-]{0,119}` without `..` says, told another way.
    fn is_plain(name: &str) -> bool {
        let allowed = |c: char| matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-');
        (1..=120).contains(&name.chars().count())
            && name.chars().all(allowed)
            && !name.starts_with(['.', '_', '-'])
            && !name.contains("..")
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in any::<String>()) {
            prop_assert_eq!(GroupName::new(&text).is_ok(), is_plain(&text));
            prop_assert_eq!(ProducerId::new(&text).is_ok(), is_plain(&text));
        }

        #[test]
        fn text_near_the_rule_is_judged(text in "[a-z0-9._$ -]{0,125}|[a-z]{1,3}[\\PC\0\u{202e}]{1,2}[a-z.]{0,6}") {
            prop_assert_eq!(GroupName::new(&text).is_ok(), is_plain(&text));
            let derived = text.ends_with(".dead") || text.ends_with(".late");
            prop_assert_eq!(StreamName::new(&text).is_ok(), is_plain(&text) && !derived);
        }
    }
}
