//! The formats histories are read from and written to.
//!
//! [`read_with`](input::read_with) reads all of them and tells them from their content. It reads files, directories of Jepsen's store (the
//! history in it, or in its `latest`), and standard input, which goes by the path `-`; data packed by gzip is unpacked on the way. Files
//! are read as a stream, one operation at a time: no line and no operation longer than [`LINE_BYTES_MAX`](crate::history::LINE_BYTES_MAX)
//! is held, and none that nests deeper than [`DEPTH_MAX`]. What is malformed is an error with file, line and remedy.
//!
//! In all formats the order of operations in the file is the order of events, unknown keys are tolerated, and a `fail` did not happen.
//! Events of the nemesis are kept; the judge skips them. Names of functions stay as they are: what `:cas` or `:compare-and-set` means is
//! for the specification to say.
//!
//! # JSON lines
//! The format of this crate, with the keys of [`Event`](crate::Event). [`History::write_jsonl`](crate::History::write_jsonl) writes it.
//!
//! ```
//! # use stormglass_checker::{Input, ReadOptions, read_from};
//! let text = r#"
//! {"index":0,"time":53137939465,"process":3,"type":"invoke","f":"cas","key":"x","value":[1,2]}
//! {"index":1,"time":53138100211,"process":3,"type":"fail","f":"cas","key":"x","value":[1,2],"error":"mismatch"}
//! {"index":2,"time":53138200000,"process":"nemesis","type":"info","f":"partition","value":["n1"]}
//! "#;
//! let recording = read_from("example", text.as_bytes(), &ReadOptions::default())?;
//! assert_eq!((recording.format, recording.history.events.len()), (Input::JsonLines, 3));
//! # Ok::<(), stormglass_checker::HistoryError>(())
//! ```
//!
//! # EDN
//! The `history.edn` of Jepsen, Knossos' and Elle's test data, Porcupine's key-value runs: operation maps or records, one after the other
//! or in one vector or list. [`History::write_edn`](crate::History::write_edn) writes it. A time or index of -1 counts as absent, and
//! transactions may lack their `:f`.
//!
//! ```
//! # use stormglass_checker::{Input, ReadOptions, read_from};
//! let text = r#"
//! #jepsen.history.Op{:index 0, :time 3291485317, :type :invoke, :process 0, :f :txn, :value [[:r 1 nil] [:append 1 2]]}
//! {:type :ok, :process 0, :f :txn, :value [[:r 1 []] [:append 1 2]]} ; without index and time
//! {:process 9, :type :invoke, :f :append, :key "0", :value "x 9 0 y"}
//! "#;
//! let recording = read_from("example", text.as_bytes(), &ReadOptions::default())?;
//! assert_eq!((recording.format, recording.history.events.len()), (Input::Edn, 3));
//! # Ok::<(), stormglass_checker::HistoryError>(())
//! ```
//!
//! | EDN | JSON |
//! | --- | --- |
//! | `nil`, `true`, `1`, `1.5`, `"text"` | the same |
//! | keyword `:read`, symbol `read`, character `\r` | text without the mark |
//! | vector, list | array |
//! | set | array, sorted |
//! | map | object; keys that are no text are written as text |
//! | `2/3`, whole numbers beyond 64 bits, long decimals `0.1234567890123456M` | their digits as text |
//! | `#inst "..."`, `#uuid "..."` | the text |
//! | any other tag, `#x [1]` | `{"#x": [1]}` |
//!
//! What has no place in this table, such as `##NaN`, is an error, and so are two keys of a map that become the same text.
//!
//! # JSON of elle-cli
//! The same operations as JSON objects, in one array or one after the other. Words may keep the colon of keywords.
//! [`History::write_elle_json`](crate::History::write_elle_json) writes it.
//!
//! ```
//! # use stormglass_checker::{Input, ReadOptions, read_from};
//! let text = r#"
//! [{"index":0,"process":0,"type":"invoke","value":[["append",253,1],["r",253,null]]},
//!  {"index":1,"process":0,"type":":ok","f":":txn","value":[[":append",253,1],[":r",253,[1]]]}]
//! "#;
//! let recording = read_from("example", text.as_bytes(), &ReadOptions::default())?;
//! assert_eq!((recording.format, recording.history.events.len()), (Input::ElleJson, 2));
//! assert_eq!(recording.history.events[0].f, "txn");
//! # Ok::<(), stormglass_checker::HistoryError>(())
//! ```
//!
//! # Jepsen's text log
//! What Jepsen prints while it runs, and its `history.txt`: process, type, function and value in EDN, perhaps an error. Lines about other
//! things are skipped.
//!
//! ```
//! # use stormglass_checker::{FailedCas, Input, ReadOptions, read_from};
//! let text = "INFO  jepsen.util - 3\t:invoke\t:cas\t[3 0]\n\
//!             2024-01-01 10:00:00,123{GMT}\tINFO\t[jepsen worker 3] jepsen.util: 3\t:fail\t:cas\t[3 0]\n\
//!             4\t:invoke\t:read\tnil\n";
//! let recording = read_from("example", text.as_bytes(), &ReadOptions::default())?;
//! assert_eq!((recording.format, recording.history.events.len()), (Input::JepsenLog, 3));
//! assert_eq!(recording.failed_cas, FailedCas::Mismatch);
//! # Ok::<(), stormglass_checker::HistoryError>(())
//! ```
//!
//! # What a failed compare-and-set says
//! A `fail` that saw its comparison refused is an observation, and a strong one: the value was another. Whether it saw that the file may
//! not say, so that it can be stated: see [`FailedCas`](input::FailedCas). [`Recording`](input::Recording) says which reading was taken.
//!
//! This is the one place where a reading can make a correct system look wrong: if the client failed for another reason, nothing was seen.
//! For Jepsen's text logs, which give no reason, a failed `cas` that repeats its arguments counts as refused unless told otherwise; for all
//! other formats only the error `mismatch` does.
//!
//! # What is exact
//! A history that is written in one of the formats and read again is the same (`tests/formats_roundtrip.rs`). What a file does not say is
//! not made up: a missing time is 0, and a call without a return is of unknown outcome.
//!
//! # Independent keys
//! Jepsen's independent workloads put the key into the value: `:value [7 nil]`. A file does not say so itself;
//! [`ReadOptions::independent`](input::ReadOptions::independent) has such pairs split.

mod detect;
mod draft;
mod edn;
mod edn_file;
mod elle_json;
mod fields;
mod forms;
pub mod input;
mod jepsen_log;
mod json_lines;
mod lines;
mod options;
mod scanner;
mod source;
mod write;

pub use scanner::DEPTH_MAX;
