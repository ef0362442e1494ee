//! Any bytes, read in every format: a history or an error, never a panic. What was read is written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stormglass_checker::{FailedCas, Input, ReadOptions, read_from};

fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else {
        return;
    };
    for input in [
        Input::Auto,
        Input::JsonLines,
        Input::JepsenLog,
        Input::Edn,
        Input::ElleJson,
    ] {
        let options = ReadOptions {
            input,
            independent: first & 1 == 1,
            ..ReadOptions::default()
        };
        let Ok(recording) = read_from("fuzz", bytes, &options) else {
            continue;
        };
        let history = recording.history;
        let again = |input, written: Vec<u8>| {
            let options = ReadOptions {
                input,
                failed_cas: FailedCas::Recorded,
                independent: false,
            };
            let read = read_from("again", written.as_slice(), &options);
            let read = read.expect("what is written can be read");
            assert!(read.history == history, "what is written is read as it was");
        };
        let (mut lines, mut edn, mut elle) = (Vec::new(), Vec::new(), Vec::new());
        history.write_jsonl(&mut lines).expect("memory takes all");
        history.write_edn(&mut edn).expect("memory takes all");
        history
            .write_elle_json(&mut elle)
            .expect("memory takes all");
        again(Input::JsonLines, lines);
        again(Input::Edn, edn);
        again(Input::ElleJson, elle);
    }
});
