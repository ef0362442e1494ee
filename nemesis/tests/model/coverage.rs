//! What storms come to within the bounds, the model comes to as well.

use super::{named, space};
use std::collections::BTreeSet;
use stormglass_nemesis::model::bounds::{Ask, Bounds};
use stormglass_nemesis::model::coverage::{Shape, storms};
use stormglass_nemesis::model::search::{End, Limits, search};
use stormglass_nemesis::model::space::Reductions;

fn shapes(bounds: &Bounds) -> BTreeSet<Shape> {
    let limits = Limits {
        shapes: true,
        ..Limits::default()
    };
    let outcome = search(&space(bounds, None, Reductions::ALL), &limits).unwrap();
    assert_eq!(outcome.end, End::Exhausted);
    outcome.shapes
}

/// One term: small enough to be exhausted here, crash and all.
fn one_term() -> Bounds {
    Bounds {
        epoch_max: 1,
        log_max: 2,
        crashes: 1,
        clients: vec![vec![Ask::Write("k".into(), 1.into())]],
        shows: Vec::new(),
        ..named("raft-cache", "storm")
    }
}

#[test]
fn no_storm_comes_to_a_shape_that_the_model_does_not_know() {
    let bounds = one_term();
    let model = shapes(&bounds);
    let storms = storms(&bounds, 1..=300).unwrap();
    let stray: Vec<_> = storms
        .shapes
        .iter()
        .filter(|(shape, _)| !model.contains(shape))
        .collect();
    assert!(stray.is_empty(), "{stray:?}");
    println!(
        "{} shapes in the model, {} in storms, {} steps",
        model.len(),
        storms.shapes.len(),
        storms.steps
    );
    assert!(
        storms.shapes.len() * 4 >= model.len(),
        "storms come to too little to tell"
    );
    assert!(storms.steps > 3_000, "{}", storms.steps);
}

/// The comparison would notice: within bounds that leave something out, storms come to more than the model.
#[test]
fn a_model_that_leaves_something_out_is_found_out() {
    let whole = one_term();
    let less = Bounds {
        log_max: 1,
        ..whole.clone()
    };
    let (model, storms) = (shapes(&less), storms(&whole, 1..=300).unwrap());
    assert!(storms.shapes.keys().any(|shape| !model.contains(shape)));
}
