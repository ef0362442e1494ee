//! Parts of a history that are judged apart, and which operations belong to each. Why they may be: see [`case`](crate::case).

use std::collections::{BTreeMap, BTreeSet};

use crate::operation::Operation;
use crate::specification::Specification;

/// Which operations one part consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The history is judged as a whole.
    Whole,
    /// Those of one key, or those without one.
    Key(Option<String>),
    /// Those that touch one of these keys.
    Keys(BTreeSet<String>),
}

impl Scope {
    /// Those of `operations`, all of a prefix of the history, that are judged with this part.
    ///
    /// A prefix does not know yet which calls will fail. Such a call may tie together keys that the whole history judges apart, and what it
    /// would have done may hang on any of them.
    pub(crate) fn among<S: Specification>(
        &self,
        specification: &S,
        mut operations: Vec<Operation>,
    ) -> Vec<Operation> {
        let keys = match self {
            Self::Whole => return operations,
            Self::Key(key) => {
                operations.retain(|operation| operation.key == *key);
                return operations;
            }
            Self::Keys(keys) => keys,
        };
        let (scopes, part_of) = partition(specification, &operations);
        let touched = |scope: &Self| match scope {
            Self::Keys(found) => !found.is_disjoint(keys),
            Self::Whole | Self::Key(_) => true,
        };
        let touched: Vec<bool> = scopes.iter().map(touched).collect();
        let mut parts = part_of.into_iter();
        operations.retain(|_| parts.next().is_some_and(|part| touched[part]));
        operations
    }

    /// The key it is named by; of several, the first.
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Self::Whole => None,
            Self::Key(key) => key.as_deref(),
            Self::Keys(keys) => keys.first().map(String::as_str),
        }
    }
}

/// The keys of the independent objects an operation concerns. None when it may concern everything.
pub(crate) fn keys_of<S: Specification>(
    specification: &S,
    operation: &Operation,
) -> Vec<Option<String>> {
    if specification.per_key() {
        return vec![operation.key.clone()];
    }
    let keys = specification.keys(operation).unwrap_or_default();
    keys.into_iter().map(Some).collect()
}

/// The parts, ascending by key, and the part of each operation.
pub(crate) fn partition<S: Specification>(
    specification: &S,
    operations: &[Operation],
) -> (Vec<Scope>, Vec<usize>) {
    if specification.per_key() {
        return by_key(operations);
    }
    by_groups(specification, operations)
        .unwrap_or_else(|| (vec![Scope::Whole], vec![0; operations.len()]))
}

fn by_key(operations: &[Operation]) -> (Vec<Scope>, Vec<usize>) {
    let mut numbers: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    let mut part_of = Vec::with_capacity(operations.len());
    for operation in operations {
        let next = numbers.len();
        part_of.push(*numbers.entry(operation.key.as_deref()).or_insert(next));
    }
    let mut place = vec![0; numbers.len()];
    let mut scopes = Vec::with_capacity(numbers.len());
    for (key, number) in numbers {
        place[number] = scopes.len();
        scopes.push(Scope::Key(key.map(str::to_owned)));
    }
    part_of.iter_mut().for_each(|part| *part = place[*part]);
    (scopes, part_of)
}

/// Groups of keys that operations tie together. `None` when some operation may concern everything.
fn by_groups<S: Specification>(
    specification: &S,
    operations: &[Operation],
) -> Option<(Vec<Scope>, Vec<usize>)> {
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let mut parents: Vec<usize> = Vec::new();
    let mut first_of = Vec::with_capacity(operations.len());
    for operation in operations {
        let mut first = None;
        for key in specification.keys(operation)? {
            let next = parents.len();
            let number = *numbers.entry(key).or_insert(next);
            if number == next {
                parents.push(next);
            }
            let (from, to) = (root(&mut parents, number), first.unwrap_or(number));
            let to = root(&mut parents, to);
            parents[from] = to;
            first = Some(to);
        }
        first_of.push(first?);
    }
    let mut groups: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for (key, number) in numbers {
        let root = root(&mut parents, number);
        groups.entry(root).or_default().insert(key);
    }
    let mut groups: Vec<(usize, BTreeSet<String>)> = groups.into_iter().collect();
    groups.sort_by(|left, right| left.1.cmp(&right.1));
    let mut place = vec![0; parents.len()];
    for (at, (root, _)) in groups.iter().enumerate() {
        place[*root] = at;
    }
    let part_of = first_of
        .into_iter()
        .map(|number| place[root(&mut parents, number)])
        .collect();
    let scopes = groups.into_iter().map(|(_, keys)| Scope::Keys(keys));
    Some((scopes.collect(), part_of))
}

fn root(parents: &mut [usize], mut at: usize) -> usize {
    while parents[at] != at {
        parents[at] = parents[parents[at]];
        at = parents[at];
    }
    at
}
