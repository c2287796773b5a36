//! Patterns against their definition, told another way: every way to take messages is tried, for every first message.

use std::time::Duration;

use minibatch_core::{Strategy as WindowStrategy, Timestamp, checkpoint::DecisionKind, storage::Position};
use minibatch_emitters::{AfterMatch, Condition, Pattern, PatternWindow};
use minibatch_testkit::log;
use proptest::{collection::vec, option, prelude::*, sample::select};

/// Some of the letters a to d.
type Letters = &'static str;

#[derive(Clone, Debug)]
struct StepSpec {
    letters: Letters,
    is_next: bool,
    least: u32,
    most: Option<u32>,
    is_optional: bool,
    is_consecutive: bool,
    /// What must not come before it, and whether only not at once.
    barred: Vec<(Letters, bool)>,
}

#[derive(Clone, Debug)]
struct Spec {
    steps: Vec<StepSpec>,
    barred: Vec<(Letters, bool)>,
    within: Option<i64>,
}

fn letters() -> impl Strategy<Value = Letters> {
    select(vec!["a", "b", "c", "ab", "bc", "abcd"])
}

fn step() -> impl Strategy<Value = StepSpec> {
    let how_often = prop_oneof![
        6 => Just((1, Some(1))),
        1 => Just((2, Some(2))),
        1 => Just((1, Some(3))),
        2 => Just((1, None)),
        1 => Just((2, None)),
    ];
    let rarely = || prop::bool::weighted(0.25);
    let barred = prop_oneof![4 => Just(vec![]), 1 => vec((letters(), any::<bool>()), 1..3)];
    (letters(), rarely(), how_often, rarely(), rarely(), barred).prop_map(
        |(letters, is_next, (least, most), is_optional, is_consecutive, barred)| StepSpec {
            letters,
            is_next,
            least,
            most,
            is_optional,
            is_consecutive,
            barred,
        },
    )
}

/// Patterns that can be built.
fn spec(within: Option<i64>) -> impl Strategy<Value = Spec> {
    let barred = prop_oneof![Just(vec![]), letters().prop_map(|letters| vec![(letters, false)])];
    (vec(step(), 1..5), barred).prop_map(move |(mut steps, barred)| {
        let barred = if within.is_some() { barred } else { vec![] };
        if let Some(last) = steps.last_mut() {
            last.is_optional = false;
        }
        Spec { steps, barred, within }
    })
}

fn pattern(spec: &Spec) -> Pattern<String> {
    let condition = |letters: Letters| Condition::of(move |text: &String| letters.contains(text.as_str()));
    let bar = |pattern: Pattern<String>, &(letters, at_once): &(Letters, bool)| {
        if at_once { pattern.not_next("x", condition(letters)) } else { pattern.without("x", condition(letters)) }
    };
    let mut built: Option<Pattern<String>> = None;
    for (number, step) in spec.steps.iter().enumerate() {
        let (name, condition) = (number.to_string(), condition(step.letters));
        let mut next = match built {
            None => Pattern::begin(name, condition),
            Some(before) => {
                let before = step.barred.iter().fold(before, bar);
                if step.is_next { before.next(name, condition) } else { before.then(name, condition) }
            }
        };
        next = match step.most {
            Some(most) => next.times_between(step.least, most),
            None => next.at_least(step.least),
        };
        next = if step.is_consecutive { next.consecutive() } else { next };
        built = Some(if step.is_optional { next.optional() } else { next });
    }
    let pattern = spec.barred.iter().fold(built.unwrap(), bar);
    spec.within.map_or(pattern.clone(), |within| pattern.within(Duration::from_millis(within.unsigned_abs())))
}

/// Messages: a letter and its time.
type Word = Vec<(char, i64)>;

/// What one way of taking messages comes to.
#[derive(Clone, Debug)]
enum End {
    /// Complete with the last of these,
    Complete(Vec<usize>),
    /// or when its time is over, as nothing came.
    Absent(Vec<usize>, i64),
    /// Not complete when its time is over, if it has one.
    Waits(Vec<usize>, Option<i64>),
}

/// All ways of taking messages, the dearest first.
struct Ways<'a> {
    spec: &'a Spec,
    word: &'a Word,
    deadline: Option<i64>,
    ends: Vec<End>,
}

impl Ways<'_> {
    fn is(&self, at: usize, letters: &str) -> bool {
        letters.contains(self.word[at].0)
    }

    /// The messages after the newest, until the time is over.
    fn rest(&self, taken: &[usize]) -> std::ops::Range<usize> {
        let next = taken.last().map_or(0, |last| last + 1);
        let in_time = |&(_, time): &(char, i64)| self.deadline.is_none_or(|deadline| time < deadline);
        next..self.word.iter().take_while(|message| in_time(message)).count().max(next)
    }

    /// Whether what is barred comes: as message `at`, or before.
    fn is_barred(&self, rest: std::ops::Range<usize>, barred: &[(Letters, bool)]) -> bool {
        let first = rest.start;
        rest.into_iter()
            .any(|at| barred.iter().any(|&(letters, at_once)| self.is(at, letters) && (!at_once || at == first)))
    }

    fn taken(&mut self, step: usize, count: u32, taken: &[usize]) {
        let StepSpec { least, most, is_consecutive, .. } = self.spec.steps[step];
        if count >= least && step + 1 == self.spec.steps.len() && self.spec.barred.is_empty() {
            self.ends.push(End::Complete(taken.to_vec()));
            return;
        }
        if most.is_none_or(|most| count < most) {
            self.wait(step, count, taken, is_consecutive, &[]);
        }
        if count >= least {
            self.onward(step + 1, taken, &[]);
        }
    }

    fn onward(&mut self, step: usize, taken: &[usize], barred: &[(Letters, bool)]) {
        let spec = self.spec;
        match spec.steps.get(step) {
            None => {
                let barred = [barred, &spec.barred].concat();
                if !self.is_barred(self.rest(taken), &barred) {
                    self.ends.push(End::Absent(taken.to_vec(), self.deadline.unwrap()));
                }
            }
            Some(next) => {
                let barred = [barred, &next.barred].concat();
                self.wait(step, 0, taken, next.is_next, &barred);
                if next.is_optional {
                    self.onward(step + 1, taken, &barred);
                }
            }
        }
    }

    fn wait(&mut self, step: usize, count: u32, taken: &[usize], is_next: bool, barred: &[(Letters, bool)]) {
        let rest = self.rest(taken);
        let letters = self.spec.steps[step].letters;
        let at = rest.clone().find(|&at| self.is(at, letters));
        let passed = rest.start..at.map_or(rest.end, |at| at + 1);
        let strictly = !is_next || passed.len() <= usize::from(at.is_some());
        match at {
            _ if !strictly || self.is_barred(passed, barred) => {}
            Some(at) => self.taken(step, count + 1, &[taken, &[at]].concat()),
            None => self.ends.push(End::Waits(taken.to_vec(), self.deadline)),
        }
    }

    /// What a match that begins with message `start` comes to.
    fn of(spec: &Spec, word: &Word, start: usize) -> Vec<End> {
        let deadline = spec.within.map(|within| word[start].1 + within);
        let mut ways = Ways { spec, word, deadline, ends: Vec::new() };
        for (number, step) in spec.steps.iter().enumerate() {
            if ways.is(start, step.letters) {
                ways.taken(number, 1, &[start]);
            }
            if !step.is_optional {
                break;
            }
        }
        ways.ends
    }
}

type Window = (Vec<usize>, &'static str);

fn expected(specs: &[Spec], word: &Word, after: AfterMatch, timeouts: bool) -> Vec<Window> {
    // when it is: a deadline comes before a message of that very time
    let mut all = Vec::new();
    for start in 0..word.len() {
        let ends: Vec<End> = specs.iter().flat_map(|spec| Ways::of(spec, word, start)).collect();
        let matches = ends.iter().filter_map(|end| match end {
            End::Complete(taken) => taken.last().map(|&last| ((word[last].1, Some(last)), taken)),
            End::Absent(taken, deadline) => Some(((*deadline, None), taken)),
            End::Waits(..) => None,
        });
        // the first of those that are equal
        if let Some((when, taken)) = matches.min_by_key(|(when, _)| *when) {
            all.push((when, start, taken.clone(), "pattern"));
        } else if timeouts {
            let waiting = ends.into_iter().find_map(|end| match end {
                End::Waits(taken, deadline) => deadline.map(|deadline| (taken, deadline)),
                _ => None,
            });
            all.extend(waiting.map(|(taken, deadline)| ((deadline, None), start, taken, "timeout")));
        }
    }
    all.sort_by_key(|(when, start, ..)| (*when, *start));
    let mut past = None;
    let mut windows = Vec::new();
    for (_, start, taken, reason) in all {
        if Some(start) > past || after == AfterMatch::ToNext {
            past = if reason == "pattern" { past.max(taken.last().copied()) } else { past };
            windows.push((taken, reason));
        }
    }
    windows
}

fn found(strategy: &dyn WindowStrategy, word: &Word) -> Vec<Window> {
    let seconds = |millis: i64| format!("{}.{:03}", millis / 1_000, millis % 1_000);
    let line: Vec<String> = word.iter().map(|(letter, time)| format!("{letter}@{}", seconds(*time))).collect();
    let mut driver = strategy.driver(Position::START).unwrap();
    let mut out = Vec::new();
    for chunk in log::chunks(&line.join(" | ")).unwrap() {
        driver.feed(&chunk, 0, u32::MAX, &mut out).unwrap();
    }
    driver.decide(DecisionKind::Grant(Timestamp::from_millis(1 << 40)), &mut out).unwrap();
    let number = |slot: u64| usize::try_from(slot).unwrap() - 1;
    out.iter()
        .map(|window| {
            let members = window.members.iter().map(|message| number(message.offset().slot().get()));
            (members.collect(), window.reason.name())
        })
        .collect()
}

fn word() -> impl Strategy<Value = Word> {
    let message = (select(vec!['a', 'a', 'b', 'b', 'c', 'd']), prop_oneof![Just(0i64), 1i64..4]);
    vec(message, 0..12).prop_map(|messages| {
        let mut time = 0;
        messages
            .into_iter()
            .map(|(letter, later)| {
                time += later;
                (letter, time)
            })
            .collect()
    })
}

fn specs() -> impl Strategy<Value = Vec<Spec>> {
    option::of(1i64..15).prop_flat_map(|within| vec(spec(within), 1..3))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn matches_are_those_of_the_definition(
        specs in specs(),
        word in word(),
        after in select(vec![AfterMatch::PastLast, AfterMatch::ToNext]),
        timeouts: bool,
    ) {
        let mut patterns = specs.iter().map(pattern);
        let first = PatternWindow::new(patterns.next().unwrap()).after(after).max_partials(100_000);
        let strategy = patterns.fold(first, PatternWindow::or);
        let strategy = if timeouts { strategy.timeouts() } else { strategy };
        prop_assert_eq!(found(&strategy, &word), expected(&specs, &word, after, timeouts));
    }
}
