//! The trials of a campaign, numbered, and which shard runs which.
//!
//! Unit `i` has the seed `first + i`. The storms take turns in a fixed pattern as long as all their shares together, so what unit `i` is
//! depends on nothing but the campaign file and `i`. The units go to the shards in blocks of as many as there are shards, one of each block to every
//! shard; a keyed draw turns each block, so that a shard does not meet the same storms again and again.

use super::plan::Plan;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// The most shards.
const SHARDS_MAX: u64 = 1_000_000;

/// One shard of several, or the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Shard {
    /// From 1.
    pub(crate) number: u64,
    /// How many there are.
    pub(crate) of: u64,
}

impl Shard {
    pub(crate) const WHOLE: Shard = Shard { number: 1, of: 1 };

    /// What an engine that fans jobs out says to each of them; the whole when none does.
    pub(crate) fn of_environment(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let number = |name: &str| {
            let said = variable(name).filter(|said| !said.trim().is_empty());
            said.map(|said| {
                let number = said.trim().parse::<u64>();
                number.map_err(|_| {
                    format!("{name}: {said:?} is no number; say the shard with --shard I/N")
                })
            })
            .transpose()
        };
        // The number of the job, the number of the first one, how many there are.
        let engines = [
            (
                "SLURM_ARRAY_TASK_ID",
                "SLURM_ARRAY_TASK_MIN",
                "SLURM_ARRAY_TASK_COUNT",
            ),
            ("JOB_COMPLETION_INDEX", "", "STORMGLASS_SHARDS"),
            ("BUILDKITE_PARALLEL_JOB", "", "BUILDKITE_PARALLEL_JOB_COUNT"),
        ];
        for (own, first, all) in engines {
            let Some(own_number) = number(own)? else {
                continue;
            };
            let first = if first.is_empty() {
                0
            } else {
                number(first)?.unwrap_or(0)
            };
            let of = number(all)?.ok_or_else(|| {
                format!("{own} is {own_number}, but {all} does not say how many shards there are; set it, or say --shard I/N")
            })?;
            let shard = own_number
                .checked_sub(first)
                .and_then(|number| number.checked_add(1));
            return match shard.filter(|number| *number <= of && of <= SHARDS_MAX) {
                Some(number) => Ok(Shard { number, of }),
                None => Err(format!(
                    "{own} is {own_number}, and {all} says that there are {of} shards: number the jobs one after the other, or say --shard I/N"
                )),
            };
        }
        // GitLab numbers from 1, and says so without a name for the first.
        match (number("CI_NODE_INDEX")?, number("CI_NODE_TOTAL")?) {
            (Some(number), Some(of)) => format!("{number}/{of}").parse(),
            _ => Ok(Shard::WHOLE),
        }
    }

    /// Whether a canary, a model or another piece of work that is numbered by itself is this shard's.
    pub(crate) fn has(self, number: usize) -> bool {
        number as u64 % self.of == self.number - 1
    }

    /// The unit of a block that is this shard's.
    fn unit_of(self, block: u64) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.of, block);
        hasher.write(b"shard of a unit");
        let turn = hasher.finish() % self.of;
        block * self.of + (self.number - 1 + self.of - turn) % self.of
    }

    /// The units of this shard, in order.
    pub(crate) fn units(self) -> impl Iterator<Item = u64> + Send {
        (0..u64::MAX / self.of).map(move |block| self.unit_of(block))
    }

    /// How many of the first so many units are this shard's.
    pub(crate) fn count(self, units: u64) -> u64 {
        let blocks = units / self.of;
        blocks + u64::from(self.unit_of(blocks) < units)
    }
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no shard; say I/N, as 2/4: the second of four");
        let (number, of) = text.split_once('/').ok_or_else(wrong)?;
        let number = number.trim().parse().map_err(|_| wrong())?;
        let of = of.trim().parse().map_err(|_| wrong())?;
        if of > SHARDS_MAX {
            return Err(format!(
                "{of} shards are too many; there may be {SHARDS_MAX}"
            ));
        }
        match (1..=of).contains(&number) {
            true => Ok(Shard { number, of }),
            false => Err(format!(
                "shard {number} of {of}: they are numbered from 1 to {of}"
            )),
        }
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// Whose turn it is: the number of a storm for each place of the pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    places: Vec<usize>,
    shares: Vec<u64>,
}

impl Pattern {
    /// Storms with large shares come again soon: at each place, the one that is furthest behind its share; of like ones the first.
    pub(crate) fn of(plan: &Plan) -> Self {
        let total: u64 = plan.storms.iter().map(|storm| storm.share).sum();
        let mut had = vec![0; plan.storms.len()];
        let places = (0..total).map(|place| {
            let behind = |storm: &usize| {
                let due = i128::from(plan.storms[*storm].share) * i128::from(place + 1);
                due - i128::from(had[*storm]) * i128::from(total)
            };
            let storms = 0..plan.storms.len();
            let next = storms.max_by_key(|storm| (behind(storm), std::cmp::Reverse(*storm)));
            let next = next.expect("where there is a share there is a storm");
            had[next] += 1;
            next
        });
        Self {
            places: places.collect(),
            shares: plan.storms.iter().map(|storm| storm.share).collect(),
        }
    }

    /// The number of the storm a unit is of, and how many units of that storm came before it.
    pub(crate) fn storm(&self, unit: u64) -> (usize, u64) {
        let length = self.places.len() as u64;
        let (round, place) = (unit / length, (unit % length) as usize);
        let number = self.places[place];
        let earlier = self.places[..place]
            .iter()
            .filter(|other| **other == number);
        (number, round * self.shares[number] + earlier.count() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::plan::Storm;
    use std::collections::BTreeMap;

    #[test]
    fn every_unit_is_of_one_shard_and_every_shard_has_as_many() {
        for of in 1..=13 {
            let mut seen = BTreeMap::<u64, u64>::new();
            for number in 1..=of {
                let shard = Shard { number, of };
                let own: Vec<u64> = shard.units().take_while(|unit| *unit < 1_000).collect();
                assert_eq!(own.len() as u64, shard.count(1_000), "{shard}");
                assert!(own.len() as u64 - 1_000 / of <= 1, "{shard}: {}", own.len());
                for unit in own {
                    *seen.entry(unit).or_default() += 1;
                }
            }
            assert_eq!(seen.len(), 1_000, "{of} shards");
            assert!(seen.values().all(|times| *times == 1), "{of} shards");
        }
    }

    #[test]
    fn every_shard_meets_every_place_of_the_pattern() {
        // As many places as shards is where a rotation without a draw would give each shard the same storm for ever.
        for number in 1..=4 {
            let shard = Shard { number, of: 4 };
            let mut places = BTreeMap::<u64, u64>::new();
            for unit in shard.units().take(400) {
                *places.entry(unit % 4).or_default() += 1;
            }
            assert_eq!(places.len(), 4, "{shard}");
            assert!(places.values().all(|times| *times > 60), "{places:?}");
        }
    }

    #[test]
    fn storms_take_turns_by_their_shares() {
        let storm = |share| Storm {
            share,
            cluster: "raft-cache".to_string(),
            words: Vec::new(),
        };
        let mut plan = Plan::read(None).unwrap();
        plan.storms = vec![storm(1), storm(3), storm(2)];
        let pattern = Pattern::of(&plan);
        assert_eq!(pattern.places, [1, 2, 0, 1, 2, 1]);
        assert_eq!(pattern.storm(6 + 3), (1, 4));
    }

    #[test]
    fn engines_say_which_shard_a_job_is() {
        let of = |said: &[(&str, &str)]| {
            Shard::of_environment(|name| {
                let found = said.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value.to_string())
            })
        };
        assert_eq!(of(&[]), Ok(Shard::WHOLE));
        let slurm = |id, min| {
            of(&[
                ("SLURM_ARRAY_TASK_ID", id),
                ("SLURM_ARRAY_TASK_MIN", min),
                ("SLURM_ARRAY_TASK_COUNT", "12"),
            ])
        };
        assert_eq!(slurm("12", "1"), Ok(Shard { number: 12, of: 12 }));
        assert_eq!(slurm("0", "0"), Ok(Shard { number: 1, of: 12 }));
        assert!(slurm("13", "1").is_err());
        let kubernetes = ("JOB_COMPLETION_INDEX", "3");
        assert!(of(&[kubernetes]).unwrap_err().contains("STORMGLASS_SHARDS"));
        let shards = ("STORMGLASS_SHARDS", "4");
        assert_eq!(of(&[kubernetes, shards]), Ok(Shard { number: 4, of: 4 }));
        let gitlab = [("CI_NODE_INDEX", "2"), ("CI_NODE_TOTAL", "3")];
        assert_eq!(of(&gitlab), Ok(Shard { number: 2, of: 3 }));
        assert!(slurm("18446744073709551615", "0").is_err());
        let buildkite = [
            ("BUILDKITE_PARALLEL_JOB", "1"),
            ("BUILDKITE_PARALLEL_JOB_COUNT", "2"),
        ];
        assert_eq!(of(&buildkite), Ok(Shard { number: 2, of: 2 }));
    }

    #[test]
    fn a_shard_is_said_as_one_of_several() {
        assert_eq!("2/4".parse(), Ok(Shard { number: 2, of: 4 }));
        for wrong in [
            "",
            "2",
            "5/100000000000",
            "0/4",
            "5/4",
            "1/0",
            "a/b",
            "-1/4",
        ] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
