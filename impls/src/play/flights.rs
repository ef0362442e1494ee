//! What is in flight between the nodes.

use super::cluster::{Cluster, Fault};
use crate::contract::{Input, NodeId};
use crate::parcel::Parcel;

/// A message that was sent and has not arrived.
#[derive(Clone)]
pub(super) struct Flight {
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    /// In its protocol's own word.
    pub(super) kind: &'static str,
    pub(super) message: Parcel,
}

/// Which messages in flight are meant: those of a kind, from and to these nodes, without the `skip` oldest, and of the rest only the `count`
/// oldest.
#[derive(Clone)]
pub(super) struct Selection {
    /// Their sender; any without one.
    pub(super) from: Option<NodeId>,
    /// Their receivers; any without one.
    pub(super) to: Vec<NodeId>,
    /// Their kind; any without one.
    pub(super) kind: Option<&'static str>,
    /// How many of the oldest stay.
    pub(super) skip: usize,
    /// How many at most.
    pub(super) count: usize,
}

impl Selection {
    /// Everything in flight.
    pub(super) const ALL: Selection = Selection {
        from: None,
        to: Vec::new(),
        kind: None,
        skip: 0,
        count: usize::MAX,
    };

    fn covers(&self, flight: &Flight) -> bool {
        self.from.is_none_or(|from| flight.from == from)
            && (self.to.is_empty() || self.to.contains(&flight.to))
            && self.kind.is_none_or(|kind| flight.kind == kind)
    }
}

impl Cluster {
    /// One round: what is in flight now arrives, and what that sends stays in flight.
    pub(super) fn deliver(&mut self, selection: &Selection) -> Result<(), Fault> {
        for Flight {
            from, to, message, ..
        } in self.take_flights(selection)?
        {
            if self.hears(from, to) {
                let head = format!("{to} ← {from} {message:?}");
                self.step(to, head, Input::Deliver { from, message });
            } else {
                self.say(format_args!("{from} ↛ {to} {message:?}"));
            }
        }
        Ok(())
    }

    /// Rounds until nothing is in flight.
    pub(super) fn stabilize(&mut self) -> Result<(), Fault> {
        for _ in 0..100 {
            if self.flights.is_empty() {
                return Ok(());
            }
            self.deliver(&Selection::ALL)?;
        }
        Err("the cluster is not quiet after 100 rounds".to_string())
    }

    /// What is in flight is lost.
    pub(super) fn drop_flights(&mut self, selection: &Selection) -> Result<(), Fault> {
        let lost = self.take_flights(selection)?;
        lost.into_iter()
            .for_each(|flight| self.say_lost("", &flight));
        Ok(())
    }

    /// What is in flight gets a copy behind it.
    pub(super) fn duplicate(
        &mut self,
        from: NodeId,
        to: NodeId,
        kind: Option<&'static str>,
    ) -> Result<(), Fault> {
        let selection = Selection {
            from: Some(from),
            to: vec![to],
            kind,
            ..Selection::ALL
        };
        let copies: Vec<_> = self
            .flights
            .iter()
            .filter(|flight| selection.covers(flight))
            .cloned()
            .collect();
        if copies.is_empty() {
            return Err(format!("nothing is in flight from {from} to {to}"));
        }
        for copy in &copies {
            self.say(format_args!("{from} → {to} {:?} again", copy.message));
        }
        self.flights.extend(copies);
        Ok(())
    }

    fn take_flights(&mut self, selection: &Selection) -> Result<Vec<Flight>, Fault> {
        let (mut late, mut left) = (selection.skip, selection.count);
        let wanted = |flight: &mut Flight| {
            let covered = selection.covers(flight);
            let taken = covered && late == 0 && left > 0;
            late -= usize::from(covered && late > 0);
            left -= usize::from(taken);
            taken
        };
        let taken: Vec<_> = self.flights.extract_if(.., wanted).collect();
        if taken.is_empty() {
            Err("nothing is in flight".to_string())
        } else {
            Ok(taken)
        }
    }

    pub(super) fn say_lost(&mut self, indent: &str, flight: &Flight) {
        self.say(format_args!(
            "{indent}{} ↛ {} {:?}",
            flight.from, flight.to, flight.message
        ));
    }
}
