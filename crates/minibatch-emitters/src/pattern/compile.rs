//! From patterns to an automaton: steps with which several patterns begin are in it once.

use minibatch_core::Error;
use serde::de::DeserializeOwned;

use super::{
    automaton::{Place, Wait, WaitId},
    condition::{Conditions, Judge, Register},
    sequence::{Bar, Comes, Pattern, Step},
};
use crate::millis::Millis;

pub(super) struct Compiled {
    pub(super) judge: Judge,
    pub(super) places: Vec<Place>,
    pub(super) waits: Vec<Wait>,
    pub(super) beginnings: Vec<WaitId>,
}

/// # Errors
/// [`Cause::InvalidWindow`](minibatch_core::Cause::InvalidWindow) for patterns that make no sense.
pub(super) fn compile<T: DeserializeOwned + 'static>(patterns: &[Pattern<T>]) -> Result<Compiled, Error> {
    let mut forests: Vec<(Option<Millis>, Vec<Tree<'_, T>>)> = Vec::new();
    let mut places = 0;
    for pattern in patterns {
        let within = pattern.checked()?;
        // with another deadline it is another partial match
        let at = forests.iter().position(|forest| forest.0 == within).unwrap_or_else(|| {
            forests.push((within, Vec::new()));
            forests.len() - 1
        });
        if let Some((_, trees)) = forests.get_mut(at) {
            Tree::insert(trees, &pattern.steps, &pattern.barred, &mut places);
        }
    }
    let mut compiler = Compiler { register: Register::new(), places: Vec::new(), waits: Vec::new() };
    let mut beginnings = Vec::new();
    for (within, trees) in &forests {
        beginnings.extend(compiler.onward(trees, &[], &[], *within)?.waits);
        compiler.forest(trees, *within)?;
    }
    compiler.places.sort_unstable_by_key(|(number, _)| *number);
    let places = compiler.places.into_iter().map(|(_, place)| place).collect();
    Ok(Compiled { judge: compiler.register.judge(), places, waits: compiler.waits, beginnings })
}

/// Patterns that begin with the same steps.
struct Tree<'a, T> {
    step: &'a Step<T>,
    /// The number of its place.
    place: usize,
    children: Vec<Self>,
    /// For each pattern that ends here, what must not come after it.
    ends: Vec<&'a [Bar<T>]>,
}

impl<'a, T> Tree<'a, T> {
    fn insert(forest: &mut Vec<Self>, steps: &'a [Step<T>], end: &'a [Bar<T>], places: &mut usize) {
        let Some((step, rest)) = steps.split_first() else { return };
        let known = forest.iter().position(|tree| tree.step.is(step));
        let at = known.unwrap_or_else(|| {
            forest.push(Self { step, place: *places, children: Vec::new(), ends: Vec::new() });
            *places += 1;
            forest.len() - 1
        });
        match forest.get_mut(at) {
            Some(tree) if rest.is_empty() => tree.ends.push(end),
            Some(tree) => Self::insert(&mut tree.children, rest, end, places),
            None => {}
        }
    }
}

/// What may come after a step.
#[derive(Default)]
struct Onward {
    waits: Vec<WaitId>,
    completes: bool,
}

struct Compiler<T> {
    register: Register<T>,
    places: Vec<(usize, Place)>,
    waits: Vec<Wait>,
}

impl<T: DeserializeOwned + 'static> Compiler<T> {
    fn forest(&mut self, trees: &[Tree<'_, T>], within: Option<Millis>) -> Result<(), Error> {
        for Tree { step, place, children, ends } in trees {
            let again = match step.most {
                Some(1) => None,
                _ => {
                    let comes = if step.is_consecutive { Comes::Next } else { Comes::Then };
                    Some(self.wait_for(step, *place, comes, &[], within)?)
                }
            };
            let Onward { waits, completes } = self.onward(children, ends, &[], within)?;
            let (least, most) = (step.least, step.most);
            self.places.push((*place, Place { least, most, again, onward: waits, completes }));
            self.forest(children, within)?;
        }
        Ok(())
    }

    /// What may come next, where all that is `barred` must not come before it: an optional step may be left out, but not what
    /// must not come before it.
    fn onward(
        &mut self,
        trees: &[Tree<'_, T>],
        ends: &[&[Bar<T>]],
        barred: &[&Bar<T>],
        within: Option<Millis>,
    ) -> Result<Onward, Error> {
        let mut onward = Onward::default();
        for tree in trees {
            let barred: Vec<&Bar<T>> = barred.iter().copied().chain(&tree.step.barred).collect();
            onward.waits.push(self.wait_for(tree.step, tree.place, tree.step.comes, &barred, within)?);
            if tree.step.is_optional {
                let without = self.onward(&tree.children, &tree.ends, &barred, within)?;
                onward.waits.extend(without.waits);
                onward.completes |= without.completes;
            }
        }
        for end in ends {
            let barred: Vec<&Bar<T>> = barred.iter().copied().chain(*end).collect();
            if barred.is_empty() {
                onward.completes = true;
            } else {
                let names: Vec<&str> = barred.iter().map(|bar| bar.name.as_str()).collect();
                let wait = Wait {
                    place: None,
                    takes: Conditions::default(),
                    bars: Conditions::default(),
                    is_strict: false,
                    later: None,
                    within,
                    name: names.join(", "),
                };
                onward.waits.push(self.barred(wait, &barred)?);
            }
        }
        Ok(onward)
    }

    fn wait_for(
        &mut self,
        step: &Step<T>,
        place: usize,
        comes: Comes,
        barred: &[&Bar<T>],
        within: Option<Millis>,
    ) -> Result<WaitId, Error> {
        let wait = Wait {
            place: Some(place),
            takes: self.register.enter(&step.condition)?,
            bars: Conditions::default(),
            is_strict: comes == Comes::Next,
            later: None,
            within,
            name: step.name.clone(),
        };
        self.barred(wait, barred)
    }

    /// The wait with what must not come meanwhile; what must not come at once is forgotten after one message.
    fn barred(&mut self, mut wait: Wait, barred: &[&Bar<T>]) -> Result<WaitId, Error> {
        let mut at_once = Conditions::default();
        for bar in barred {
            let condition = self.register.enter(&bar.condition)?;
            let bars = if bar.at_once { &mut at_once } else { &mut wait.bars };
            *bars = bars.with(condition);
        }
        let later = self.intern(wait.clone());
        if at_once == Conditions::default() {
            return Ok(later);
        }
        wait.bars = wait.bars.with(at_once);
        wait.later = Some(later);
        Ok(self.intern(wait))
    }

    /// Its number: the same for those that wait for the same.
    fn intern(&mut self, wait: Wait) -> WaitId {
        let at = self.waits.iter().position(|known| *known == wait).unwrap_or_else(|| {
            self.waits.push(wait);
            self.waits.len() - 1
        });
        WaitId::try_from(at).unwrap_or(WaitId::MAX)
    }
}
