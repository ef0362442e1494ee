//! What a ZooKeeper-style service promises, each promise in a file that quotes it.
