use super::*;
use crate::client::member::Returned;
use crate::etcd::binding::EtcdBinding;
use crate::workload::Binding;
use stormglass_impls::contract::NodeId;
use stormglass_impls::etcd::words::{Ask, Done, Error, Header, Keys, Range, Reply};

#[test]
fn a_resource_with_fencing_takes_no_older_token() {
    let store = |workload: &mut Kv, token| workload.resources.store("locks/k0/", token).taken;
    let mut fenced = Kv::new(EtcdConfig::of(EtcdKind::FencedLock), 1);
    let taken = [5, 7, 5, 7, 8].map(|token| store(&mut fenced, token));
    assert_eq!(taken, [true, true, false, true, true]);
    let mut plain = Kv::new(EtcdConfig::of(EtcdKind::Lock), 1);
    assert!([5, 7, 5].map(|token| store(&mut plain, token)) == [true; 3]);
}

fn returned(result: Option<Result<Done, Error>>) -> Vec<u8> {
    let header = Header {
        cluster: 1,
        revision: 7,
        term: 3,
    };
    let returned = Returned {
        reply: result.map(|result| Reply { header, result }),
        server: NodeId(2),
        events: Vec::new(),
    };
    postcard::to_allocvec(&returned).unwrap()
}

#[test]
fn an_answer_to_something_else_is_no_answer() {
    let read = Asked::ask(Ask::Range(Range::of(Keys::one("a"))));
    let nothing = Done::Range {
        kvs: Vec::new(),
        count: 0,
    };
    let operation = read.operation();
    let completion = |result| EtcdBinding.completion(&operation, &returned(result));
    let Ok(Completion::Ok(value)) = completion(Some(Ok(nothing.clone()))) else {
        panic!("it is an answer");
    };
    let ended = Ended::read(&value).unwrap();
    assert_eq!((ended.revision, ended.term, ended.server), (7, 3, 2));
    assert!(completion(Some(Err(Error::FutureRevision))).is_ok());
    assert!(completion(Some(Ok(Done::Heard))).is_err());
    assert!(completion(None).is_err());
    assert!(EtcdBinding.completion(&operation, &[200]).is_err());
    let rest = Asked::Rest { ms: 5 }.operation();
    let completion = |result| EtcdBinding.completion(&rest, &returned(result));
    assert!(completion(None).is_ok());
    assert!(completion(Some(Ok(nothing))).is_err());
}

#[test]
fn a_config_that_makes_no_sense_says_which_field() {
    let config = EtcdConfig::of(EtcdKind::Lock);
    assert_eq!(config.refuses(), None);
    let keys = EtcdConfig {
        keys: 0,
        ..config.clone()
    };
    assert!(keys.refuses().unwrap().contains("keys"));
    let shares = EtcdConfig {
        reads_percent: 90,
        ..config.clone()
    };
    assert!(shares.refuses().unwrap().contains("percent"));
    let ttl = EtcdConfig {
        ttl_ms: 0,
        ..config
    };
    assert!(ttl.refuses().unwrap().contains("ttl_ms"));
}

#[test]
fn a_workload_is_written_and_read_as_data() {
    for info in super::super::kinds::KINDS {
        let config = EtcdConfig::of(info.kind);
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<EtcdConfig>(&json).unwrap(), config);
        assert!(json.contains(info.name), "{json}");
    }
}
