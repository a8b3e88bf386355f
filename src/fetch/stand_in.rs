//! Pictures that are answered without the network: those that the settings and the vendors' own samples name by their
//! whole address, and those that were drawn here, which are known by their path.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use axum::body::Bytes;
use url::Url;

use super::{FetchError, FetchLimits};
use crate::locks::locked;

/// Pictures that are kept by path, at most.
const MAX_KEPT: usize = 4096;

/// A picture that is answered without the network.
#[derive(Clone, Debug)]
pub enum StandIn {
    /// Bytes held in memory.
    Bytes(Bytes),
    /// Drawn at each request.
    Drawn(fn() -> Vec<u8>),
    /// A file, read at each request.
    File(PathBuf),
}

impl StandIn {
    pub(super) async fn read(&self, limits: &FetchLimits) -> Result<Bytes, FetchError> {
        let bytes = match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Drawn(draw) => draw().into(),
            Self::File(path) => match tokio::fs::read(path).await {
                Ok(bytes) => bytes.into(),
                Err(error) => return Err(FetchError::Unreachable(format!("stand-in {}: {error}", path.display()))),
            },
        };
        if bytes.len() > limits.max_bytes {
            return Err(FetchError::TooLarge { limit: limits.max_bytes });
        }
        Ok(bytes)
    }
}

/// All of them.
pub(super) struct StandIns {
    by_url: HashMap<Url, StandIn>,
    by_path: Mutex<Kept>,
    max_bytes: usize,
}

/// Pictures by path, and their paths in the order in which they came.
#[derive(Default)]
struct Kept {
    pictures: HashMap<String, Bytes>,
    order: VecDeque<String>,
    bytes: usize,
}

impl StandIns {
    pub(super) fn new(by_url: HashMap<Url, StandIn>, max_bytes: usize) -> Self {
        Self { by_url, by_path: Mutex::default(), max_bytes }
    }

    /// What stands behind an address.
    ///
    /// A path decides whatever the host is: a server does not know all the names by which it is reached, and its pictures'
    /// paths hold more than anybody can guess.
    pub(super) fn of(&self, url: &Url) -> Option<StandIn> {
        self.by_url.get(url).cloned().or_else(|| self.kept(url.path()).map(StandIn::Bytes))
    }

    pub(super) fn kept(&self, path: &str) -> Option<Bytes> {
        self.lock().pictures.get(path).cloned()
    }

    /// Keeps a picture; the oldest ones go where there is no room. One that is larger than all the room there is stays
    /// alone.
    pub(super) fn keep(&self, path: String, picture: Bytes) {
        let mut kept = self.lock();
        kept.bytes += picture.len();
        match kept.pictures.insert(path.clone(), picture) {
            Some(before) => kept.bytes -= before.len(),
            None => kept.order.push_back(path),
        }
        while kept.order.len() > MAX_KEPT || (kept.bytes > self.max_bytes && kept.order.len() > 1) {
            let Some(gone) = kept.order.pop_front().and_then(|path| kept.pictures.remove(&path)) else { break };
            kept.bytes -= gone.len();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        locked(&self.by_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_pictures_make_room() {
        let stand_ins = StandIns::new(HashMap::new(), 10);
        let keep = |path: &str, length: usize| stand_ins.keep(path.to_owned(), vec![0; length].into());
        let kept = |path: &str| stand_ins.kept(path).map(|bytes| bytes.len());
        keep("/a", 4);
        keep("/b", 4);
        keep("/a", 5);
        assert_eq!((kept("/a"), kept("/b")), (Some(5), Some(4)));
        keep("/c", 4);
        assert_eq!((kept("/a"), kept("/b"), kept("/c")), (None, Some(4), Some(4)));
        keep("/d", 11);
        assert_eq!((kept("/c"), kept("/d")), (None, Some(11)));
        for number in 0..=MAX_KEPT {
            keep(&format!("/{number}"), 0);
        }
        assert_eq!((kept("/d"), kept("/0"), kept("/1")), (None, None, Some(0)));
    }

    #[test]
    fn a_path_is_known_under_every_host() {
        let stand_ins = StandIns::new(HashMap::new(), 10);
        stand_ins.keep("/p/1.png".to_owned(), Bytes::from_static(b"x"));
        for (address, expected) in [
            ("http://localhost:1/p/1.png", true),
            ("https://anything.example/p/1.png?x#y", true),
            ("http://localhost/p/2.png", false),
            ("http://localhost/p/../p/1.png", true),
        ] {
            assert_eq!(stand_ins.of(&Url::parse(address).expect("valid")).is_some(), expected, "{address}");
        }
    }
}
