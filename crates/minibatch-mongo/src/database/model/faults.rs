//! What goes wrong, and how often.

use std::time::Duration;

/// Chances in a thousand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    /// Certainly without effect, and the client knows.
    pub(crate) refused: u32,
    /// Without effect, and the client does not know.
    pub(crate) dropped: u32,
    /// With effect, and the client does not know.
    pub(crate) reply_lost: u32,
    /// With effect long after the client was told that nobody knows.
    pub(crate) delayed: u32,
    /// With effect once more, long after the first time.
    pub(crate) repeated: u32,
    /// The client or the network stands still for long, before or after.
    pub(crate) paused: u32,
    /// Reads answered from the past.
    pub(crate) stale: u32,
}

/// What happens to one operation.
#[derive(Debug, Default)]
pub(super) struct Fate {
    pub(super) before: Duration,
    pub(super) after: Duration,
    pub(super) refused: bool,
    pub(super) dropped: bool,
    pub(super) reply_lost: bool,
    pub(super) delayed: Option<Duration>,
    pub(super) repeated: Option<Duration>,
    /// Which of the versions that may be read.
    pub(super) stale: Option<u64>,
}

const LONGEST_PAUSE: u64 = 60_000;
const LONGEST_DELAY: u64 = 120_000;

impl Faults {
    pub(crate) const NONE: Self =
        Self { refused: 0, dropped: 0, reply_lost: 0, delayed: 0, repeated: 0, paused: 0, stale: 0 };

    /// Everything, often.
    pub(crate) const MANY: Self =
        Self { refused: 20, dropped: 40, reply_lost: 80, delayed: 30, repeated: 10, paused: 15, stale: 50 };

    pub(super) fn draw(&self, random: &mut Random) -> Fate {
        let mut delay = |chance| random.chance(chance).then(|| Duration::from_millis(random.below(LONGEST_DELAY)));
        let (delayed, repeated) = (delay(self.delayed), delay(self.repeated));
        let mut fate = Fate {
            before: Duration::from_millis(1 + random.below(3)),
            after: Duration::from_millis(random.below(3)),
            refused: random.chance(self.refused),
            dropped: random.chance(self.dropped),
            reply_lost: random.chance(self.reply_lost),
            delayed,
            repeated,
            stale: random.chance(self.stale).then(|| random.next()),
        };
        if random.chance(self.paused) {
            let pause = Duration::from_millis(random.below(LONGEST_PAUSE));
            if random.chance(500) { fate.before += pause } else { fate.after += pause }
        }
        fate
    }
}

/// Numbers by a seed: SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(crate) fn chance(&mut self, in_a_thousand: u32) -> bool {
        self.below(1_000) < u64::from(in_a_thousand)
    }
}
