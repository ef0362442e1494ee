//! The states through which a certificate leads: for people who point at an operation. No verdict rests on it.

use crate::operation::Operation;
use crate::specification::Specification;
use crate::verdict::Certificate;

/// What one operation found and what it left, in the words of the specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Around {
    /// The state just before it took effect.
    pub before: String,
    /// The state just after.
    pub after: String,
}

/// The states around each operation that `certificate` places, by the operation's id; `None` for those it leaves out, and from the first one
/// on that it places wrongly: what it says is shown here, and proven by [`verify`](crate::verify).
pub fn states<S: Specification>(
    specification: &S,
    operations: &[Operation],
    certificate: &Certificate,
) -> Vec<Option<Around>> {
    let ops: Vec<_> = operations
        .iter()
        .map(|operation| specification.parse(operation).ok().flatten())
        .collect();
    let mut around = vec![None; operations.len()];
    for part in &certificate.parts {
        let mut state = specification.initial();
        let mut before = specification.describe_state(&state);
        for id in &part.order {
            let op = ops.get(*id).and_then(Option::as_ref);
            let Some(next) = op.and_then(|op| specification.step(&state, op)) else {
                break;
            };
            let after = match next == state {
                true => before.clone(),
                false => specification.describe_state(&next),
            };
            around[*id] = Some(Around {
                before: std::mem::replace(&mut before, after.clone()),
                after,
            });
            state = next;
        }
    }
    around
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specifications::Register;
    use crate::{History, Limits, Verdict, check};

    fn history(lines: &[&str]) -> History {
        let read = |line: &&str| serde_json::from_str(line).expect("it is an event");
        History {
            events: lines.iter().map(read).collect(),
        }
    }

    #[test]
    fn each_operation_has_the_state_before_and_after_it_in_the_order_of_the_certificate() {
        let history = history(&[
            r#"{"index":0,"time":0,"process":0,"type":"invoke","f":"write","key":"x","value":1}"#,
            r#"{"index":1,"time":1,"process":1,"type":"invoke","f":"read","key":"x","value":null}"#,
            r#"{"index":2,"time":2,"process":1,"type":"ok","f":"read","key":"x","value":null}"#,
            r#"{"index":3,"time":3,"process":0,"type":"ok","f":"write","key":"x","value":1}"#,
            r#"{"index":4,"time":4,"process":1,"type":"invoke","f":"cas","key":"x","value":[1,2]}"#,
            r#"{"index":5,"time":5,"process":1,"type":"ok","f":"cas","key":"x","value":[1,2]}"#,
            r#"{"index":6,"time":6,"process":2,"type":"invoke","f":"read","key":"x","value":null}"#,
            r#"{"index":7,"time":7,"process":2,"type":"info","f":"read","key":"x","value":null}"#,
        ]);
        let specification = Register::default();
        let judged = check(&specification, &history, &Limits::default()).unwrap();
        let Verdict::Valid(certificate) = judged.verdict else {
            panic!("it is legal");
        };
        let operations = history.operations().unwrap();
        let told: Vec<Option<(String, String)>> = states(&specification, &operations, &certificate)
            .into_iter()
            .map(|around| around.map(|around| (around.before, around.after)))
            .collect();
        let around = |before: &str, after: &str| Some((before.to_string(), after.to_string()));
        // The read saw nothing, so it came before the write beside it. What nobody knows of has no place.
        assert_eq!(
            told,
            [
                around("null", "1"),
                around("null", "null"),
                around("1", "2"),
                None
            ]
        );
    }
}
