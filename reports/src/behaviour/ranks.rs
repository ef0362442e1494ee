//! Order statistics of any stretch of a list, each in as many steps as the length of the list has binary digits: a wavelet matrix.
//!
//! Faults may be many and long, and each asks about its own stretch of the same calls. Sorting every stretch would take the product of both.

/// A list of numbers that answers questions about its stretches.
#[derive(Debug)]
pub(super) struct Ranks {
    /// The different numbers, ascending. A number's place here is its rank.
    sorted: Vec<u64>,
    /// For each binary digit of a rank, the highest first.
    levels: Vec<Level>,
    length: usize,
}

/// The list as it stands when all higher digits have sorted it: those with a zero first.
#[derive(Debug)]
struct Level {
    /// How many of the first so many have a zero here.
    zeros: Vec<u32>,
}

impl Level {
    fn before(&self, position: usize) -> usize {
        self.zeros[position] as usize
    }

    /// The same stretch one level down, among those with a zero or a one.
    fn descend(&self, (from, until): (usize, usize), one: bool) -> (usize, usize) {
        let (low, high) = (self.before(from), self.before(until));
        if one {
            let zeros = self.before(self.zeros.len() - 1);
            (zeros + from - low, zeros + until - high)
        } else {
            (low, high)
        }
    }
}

impl Ranks {
    pub(super) fn of(values: &[u64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let rank = |value: &u64| sorted.partition_point(|other| other < value) as u32;
        let mut ranks: Vec<u32> = values.iter().map(rank).collect();
        let digits = usize::BITS - sorted.len().saturating_sub(1).leading_zeros();
        let mut levels = Vec::new();
        for digit in (0..digits).rev() {
            let mut zeros = Vec::with_capacity(ranks.len() + 1);
            let (mut low, mut high) = (Vec::with_capacity(ranks.len()), Vec::new());
            zeros.push(0);
            for rank in &ranks {
                let half = if rank & (1 << digit) == 0 {
                    &mut low
                } else {
                    &mut high
                };
                half.push(*rank);
                zeros.push(low.len() as u32);
            }
            low.append(&mut high);
            ranks = low;
            levels.push(Level { zeros });
        }
        Self {
            sorted,
            levels,
            length: values.len(),
        }
    }

    /// The number at a place, from 0, of the sorted stretch; `None` past its end.
    pub(super) fn nth(&self, (from, until): (usize, usize), mut place: usize) -> Option<u64> {
        let mut stretch = (from, until.min(self.length));
        if stretch.0.saturating_add(place) >= stretch.1 {
            return None;
        }
        let mut rank = 0;
        for level in &self.levels {
            let zeros = level.before(stretch.1) - level.before(stretch.0);
            let one = place >= zeros;
            place -= if one { zeros } else { 0 };
            rank = rank * 2 + usize::from(one);
            stretch = level.descend(stretch, one);
        }
        Some(self.sorted[rank])
    }

    /// How many numbers of a stretch are below a value.
    pub(super) fn below(&self, (from, until): (usize, usize), value: u64) -> u64 {
        let mut stretch = (from, until.min(self.length));
        if stretch.0 >= stretch.1 {
            return 0;
        }
        let rank = self.sorted.partition_point(|other| *other < value);
        if rank == self.sorted.len() {
            return (stretch.1 - stretch.0) as u64;
        }
        let mut below = 0;
        for (depth, level) in self.levels.iter().enumerate() {
            let one = rank >> (self.levels.len() - 1 - depth) & 1 == 1;
            if one {
                below += level.before(stretch.1) - level.before(stretch.0);
            }
            stretch = level.descend(stretch, one);
        }
        below as u64
    }
}

/// A list of numbers that knows the greatest of any stretch, in as many steps: a tree of maxima.
#[derive(Debug)]
pub(super) struct Peaks {
    /// The leaves in the second half; above each pair the greater.
    tree: Vec<u64>,
}

impl Peaks {
    pub(super) fn of(values: &[u64]) -> Self {
        let leaves = values.len();
        let mut tree = vec![0; leaves];
        tree.extend(values);
        for at in (1..leaves).rev() {
            tree[at] = tree[2 * at].max(tree[2 * at + 1]);
        }
        Self { tree }
    }

    /// The greatest number of a stretch; `None` for an empty one.
    pub(super) fn greatest(&self, from: usize, until: usize) -> Option<u64> {
        let leaves = self.tree.len() / 2;
        let (mut low, mut high) = (leaves + from, leaves + until.min(leaves));
        let mut greatest = None;
        while low < high {
            if low % 2 == 1 {
                greatest = greatest.max(Some(self.tree[low]));
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                greatest = greatest.max(Some(self.tree[high]));
            }
            (low, high) = (low / 2, high / 2);
        }
        greatest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look drawn and repeat now and then.
    fn numbers(count: u64) -> Vec<u64> {
        (0..count).map(|at| at * at * 7_919 % 101).collect()
    }

    #[test]
    fn every_stretch_answers_as_if_it_were_sorted() {
        for count in [0, 1, 2, 3, 7, 16, 33] {
            let values = numbers(count);
            let (ranks, peaks) = (Ranks::of(&values), Peaks::of(&values));
            for from in 0..=values.len() {
                for until in from..=values.len() {
                    let mut stretch = values[from..until].to_vec();
                    assert_eq!(peaks.greatest(from, until), stretch.iter().max().copied());
                    stretch.sort_unstable();
                    for place in 0..=stretch.len() {
                        assert_eq!(ranks.nth((from, until), place), stretch.get(place).copied());
                    }
                    for value in [0, 1, 13, 50, 99, 101, u64::MAX] {
                        let below = stretch.iter().filter(|other| **other < value).count();
                        assert_eq!(
                            ranks.below((from, until), value),
                            below as u64,
                            "{stretch:?} {value}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_question_takes_as_many_steps_as_the_length_has_digits() {
        let values: Vec<u64> = (0..100_000).map(|at| at * 7_919 % 100_003).collect();
        assert_eq!(Ranks::of(&values).levels.len(), 17, "2^17 is 131,072");
        assert_eq!(
            Ranks::of(&[5; 1_000]).levels.len(),
            0,
            "one number has nothing to ask"
        );
    }
}
