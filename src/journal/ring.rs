//! What the journal holds: the bytes of all entries one behind the other in pages of memory, and a list that says where
//! each of them lies.
//!
//! Every request pays for its entry and for the one that makes room for it, and both cost most where memory is touched
//! that has long left the processor's cache. So an entry is no value of its own: it is written into the open page, which
//! stays in the cache; a page that is full is copied away as a whole, to where the oldest was; and an old entry is
//! forgotten without being looked at. What few entries have lies beside the pages ([`Rare`]).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use jiff::Timestamp;

use super::entry::{self, Entry, Gist, Head, Record};
use crate::explain::Explanation;
use crate::underway::{Kept, Texts};

/// Bytes from which on a page is full.
const PAGE: usize = 32 << 10;
/// Bytes of most pages that are full: so much longer than needed for that, because entries end where they end.
const ROOM: usize = PAGE + PAGE / 8;
/// Bodies up to this length lie in pages. Longer ones stay where they are, since copying them takes its time.
const COPIED: usize = 16 << 10;

/// All entries; the oldest first.
#[derive(Default)]
pub(super) struct Ring {
    places: VecDeque<Place>,
    /// Of some of them, by their ids.
    rare: VecDeque<(u64, Arc<Rare>)>,
    /// Pages that nothing is added to any more.
    full: VecDeque<Arc<Vec<u8>>>,
    /// The number of the first of them.
    first_page: u64,
    /// The page behind them.
    open: Open,
    bytes: usize,
    last_id: u64,
    dropped: u64,
}

/// A page that is being written.
#[derive(Default)]
struct Open {
    /// Longer than what was written, so that hardly anything that is written makes it grow.
    bytes: Vec<u8>,
    written: usize,
}

/// Where an entry lies.
#[derive(Clone, Copy)]
struct Place {
    id: u64,
    page: u64,
    start: u32,
    length: u32,
}

/// What few entries have.
#[derive(Default)]
pub(super) struct Rare {
    fault: Option<String>,
    explanation: Option<Arc<Explanation>>,
    request_body: Option<Kept>,
    answer_body: Option<Kept>,
}

/// An entry that was found, to be read without the ring.
pub(super) struct Found {
    place: Place,
    page: Arc<Vec<u8>>,
    rare: Option<Arc<Rare>>,
}

impl Ring {
    /// Entries that are here.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Bytes that they take. Their pages take an eighth more at most, and two pages.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The id of the entry that came last.
    pub(super) fn last_id(&self) -> u64 {
        self.last_id
    }

    /// Entries that had to make room.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Adds an entry, for which the oldest make room. What is given back is to be dropped without the ring: freeing takes
    /// its time.
    #[must_use]
    pub(super) fn push(&mut self, record: &Record<'_>, max_entries: usize, max_bytes: usize) -> Vec<Arc<Rare>> {
        self.last_id += 1;
        let id = self.last_id;
        let start = self.open();
        let rare = write(&mut self.open, record);
        let length = self.open.written - start;
        let bytes = bytes(length, rare.as_deref());
        let mut made_room = Vec::new();
        if bytes > max_bytes {
            self.open.written = start;
            self.dropped += 1;
            made_room.extend(rare);
            return made_room;
        }
        while self.places.len() >= max_entries || self.bytes + bytes > max_bytes {
            let Some(oldest) = self.places.pop_front() else { break };
            let rare = self.rare.pop_front_if(|(id, _)| *id == oldest.id).map(|(_, rare)| rare);
            self.bytes -= self::bytes(oldest.length as usize, rare.as_deref());
            self.dropped += 1;
            made_room.extend(rare);
        }
        self.added(id, start);
        self.bytes += bytes;
        if let Some(rare) = rare {
            self.rare.push_back((id, rare));
        }
        made_room
    }

    /// Where an entry begins that is added now.
    fn open(&mut self) -> usize {
        if self.open.written >= PAGE {
            self.close();
        }
        self.open.written
    }

    /// Notes where the entry lies that was added last.
    fn added(&mut self, id: u64, start: usize) {
        let page = self.first_page + self.full.len() as u64;
        let length = self.open.written - start;
        self.places.push_back(Place { id, page, start: start as u32, length: length as u32 });
    }

    /// Copies the open page away.
    fn close(&mut self) {
        let mut spare = None;
        let first = self.places.front().map_or(u64::MAX, |oldest| oldest.page);
        while self.first_page < first
            && let Some(page) = self.full.pop_front()
        {
            self.first_page += 1;
            // Somebody may be looking at it.
            spare = Arc::into_inner(page).or(spare);
        }
        let written = self.open.take();
        if !written.is_empty() {
            let room = if (PAGE..=ROOM).contains(&written.len()) { ROOM } else { written.len() };
            let mut page = spare.filter(|page| page.capacity() == room).unwrap_or_else(|| Vec::with_capacity(room));
            page.clear();
            page.extend_from_slice(written);
            self.full.push_back(Arc::new(page));
        }
    }

    /// Every entry later than the one with the id `after` that `is_wanted`.
    pub(super) fn look(&mut self, after: u64, is_wanted: impl Fn(&Gist<'_>) -> bool) -> Vec<Found> {
        // Pages that are full can be looked at without the ring.
        self.close();
        let from = self.places.partition_point(|place| place.id <= after);
        let mut rare = self.rare.iter().skip(self.rare.partition_point(|(id, _)| *id <= after)).peekable();
        let found = self.places.range(from..).filter_map(|place| {
            let page = &self.full[(place.page - self.first_page) as usize];
            let rare = rare.next_if(|(id, _)| *id == place.id).map(|(_, rare)| rare);
            let has_fault = rare.is_some_and(|rare| rare.fault.is_some());
            let gist = Read::of(place.within(page)).gist(place.id, has_fault);
            is_wanted(&gist).then(|| Found { place: *place, page: Arc::clone(page), rare: rare.cloned() })
        });
        found.collect()
    }

    /// Forgets the entries with these ids, which are sorted; gives how many there were.
    pub(super) fn forget(&mut self, ids: &[u64]) -> usize {
        let is_forgotten = |id: u64| ids.binary_search(&id).is_ok();
        self.close();
        let before = self.places.len();
        let (places, full) = (std::mem::take(&mut self.places), std::mem::take(&mut self.full));
        let first = self.first_page;
        self.rare.retain(|(id, _)| !is_forgotten(*id));
        self.bytes = self.rare.iter().map(|(_, rare)| rare.bytes()).sum();
        // What stays is put together anew, so that no page is kept for the sake of an entry.
        for place in places.into_iter().filter(|place| !is_forgotten(place.id)) {
            let entry = place.within(&full[(place.page - first) as usize]);
            let start = self.open();
            self.open.put(entry);
            self.added(place.id, start);
            self.bytes += bytes(entry.len(), None);
        }
        before - self.places.len()
    }
}

impl Open {
    #[inline]
    fn put(&mut self, piece: &[u8]) {
        let end = self.written + piece.len();
        if end > self.bytes.len() {
            self.bytes.resize(end.max(ROOM), 0);
        }
        self.bytes[self.written..end].copy_from_slice(piece);
        self.written = end;
    }

    /// What was written; the page is empty then.
    fn take(&mut self) -> &[u8] {
        if self.bytes.len() > ROOM {
            self.bytes.truncate(self.written.max(ROOM));
            self.bytes.shrink_to_fit();
        }
        let written = std::mem::take(&mut self.written);
        &self.bytes[..written]
    }
}

/// Bytes that an entry takes which has so many in its page.
fn bytes(length: usize, rare: Option<&Rare>) -> usize {
    size_of::<Place>() + length + rare.map_or(0, Rare::bytes)
}

impl Place {
    fn within(self, page: &[u8]) -> &[u8] {
        &page[self.start as usize..][..self.length as usize]
    }
}

/// Parts of an entry that differ in length, in this order: vendor, operation, code, credential, content,
/// request, its body, answer, its body.
const PARTS: usize = 9;

/// Bytes of moment, time, status, flags, and of the lengths of all parts, which come before these.
const FIXED: usize = 8 + 4 + 8 + 2 + 1 + PARTS * size_of::<u32>();

/// Whether it names a credential, and whether the ends of both bodies passed.
mod flag {
    pub(super) const CREDENTIAL: u8 = 1;
    pub(super) const REQUEST_COMPLETE: u8 = 2;
    pub(super) const ANSWER_COMPLETE: u8 = 4;
}

/// Writes an entry into a page; gives what does not go there.
fn write(page: &mut Open, record: &Record<'_>) -> Option<Arc<Rare>> {
    let start = page.written;
    page.put(&[0; FIXED]);
    let mut ends = [0; PARTS];
    let mut next = ends.iter_mut();
    let mut end = |page: &Open| {
        if let Some(end) = next.next() {
            *end = page.written;
        }
    };
    for text in [record.vendor, record.operation, record.code, record.credential.unwrap_or_default()] {
        page.put(text.as_bytes());
        end(page);
    }
    for bytes in [record.content.as_bytes(), &record.request.0] {
        page.put(bytes);
        end(page);
    }
    let request_body = record.request_body;
    let is_long = request_body.bytes() > COPIED || !request_body.is_whole();
    if !is_long {
        request_body.pieces().into_iter().for_each(|piece| page.put(piece));
    }
    end(page);
    entry::write(|part| page.put(part), &entry::answer_line(&record.status), record.headers);
    end(page);
    let long_answer = record.answer_body.filter(|body| body.len() > COPIED);
    if let (Some(body), None) = (record.answer_body, long_answer) {
        page.put(body);
    }
    end(page);

    let mut flags = 0;
    for (flag, is_so) in [
        (flag::CREDENTIAL, record.credential.is_some()),
        (flag::REQUEST_COMPLETE, request_body.is_complete()),
        (flag::ANSWER_COMPLETE, record.answer_body.is_some()),
    ] {
        flags |= if is_so { flag } else { 0 };
    }
    page.bytes[start..start + FIXED].copy_from_slice(&laid(record, flags, start + FIXED, ends));

    let is_rare = is_long || long_answer.is_some() || record.fault.is_some() || record.explanation.is_some();
    is_rare.then(|| {
        Arc::new(Rare {
            fault: record.fault.map(str::to_owned),
            explanation: record.explanation.cloned(),
            request_body: is_long.then(|| request_body.clone().settled()),
            answer_body: long_answer.cloned().map(Kept::whole),
        })
    })
}

/// What has the same length in all entries; the parts begin at `start` and end at `ends`.
fn laid(record: &Record<'_>, flags: u8, mut start: usize, ends: [usize; PARTS]) -> [u8; FIXED] {
    let mut fixed = [0; FIXED];
    fixed[..8].copy_from_slice(&record.at.as_second().to_le_bytes());
    fixed[8..12].copy_from_slice(&record.at.subsec_nanosecond().to_le_bytes());
    fixed[12..20].copy_from_slice(&(record.elapsed.as_nanos() as u64).to_le_bytes());
    fixed[20..22].copy_from_slice(&record.status.as_u16().to_le_bytes());
    fixed[22] = flags;
    for (length, end) in fixed[23..].as_chunks_mut().0.iter_mut().zip(ends) {
        *length = ((end - start) as u32).to_le_bytes();
        start = end;
    }
    fixed
}

/// An entry as it is read from a page.
struct Read<'a> {
    at: Timestamp,
    elapsed: Duration,
    status: u16,
    flags: u8,
    parts: [&'a [u8]; PARTS],
}

impl<'a> Read<'a> {
    fn of(mut bytes: &'a [u8]) -> Self {
        let seconds = i64::from_le_bytes(take(&mut bytes));
        let nanoseconds = i32::from_le_bytes(take(&mut bytes));
        let elapsed = Duration::from_nanos(u64::from_le_bytes(take(&mut bytes)));
        let status = u16::from_le_bytes(take(&mut bytes));
        let [flags] = take(&mut bytes);
        let lengths: [u32; PARTS] = std::array::from_fn(|_| u32::from_le_bytes(take(&mut bytes)));
        let parts = lengths.map(|length| {
            let (part, rest) = bytes.split_at(length as usize);
            bytes = rest;
            part
        });
        Self { at: Timestamp::new(seconds, nanoseconds).unwrap_or_default(), elapsed, status, flags, parts }
    }

    fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn text(&self, part: usize) -> &'a str {
        std::str::from_utf8(self.parts[part]).unwrap_or_default()
    }

    fn gist(&self, id: u64, has_fault: bool) -> Gist<'a> {
        Gist {
            id,
            at: self.at,
            vendor: self.text(0),
            operation: self.text(1),
            code: self.text(2),
            credential: self.is(flag::CREDENTIAL).then(|| self.text(3)),
            status: self.status,
            has_fault,
        }
    }
}

/// Takes a number off the beginning.
fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let (number, rest) = bytes.split_first_chunk().expect("it was written so");
    *bytes = rest;
    *number
}

impl Rare {
    fn bytes(&self) -> usize {
        let Self { fault, explanation, request_body, answer_body } = self;
        let bodies: usize = [request_body, answer_body].into_iter().flatten().map(Kept::bytes).sum();
        let fault = fault.as_ref().map_or(0, String::len);
        size_of::<Self>() + fault + explanation.as_deref().map_or(0, explanation_bytes) + bodies
    }
}

fn explanation_bytes(explanation: &Explanation) -> usize {
    let Explanation { ours, theirs, mistakes, .. } = explanation;
    let texts = [ours, theirs].into_iter().flatten();
    let texts: usize = texts.map(|text| text.canonical_request.len() + text.string_to_sign.len()).sum();
    size_of::<Explanation>()
        + texts
        + mistakes.iter().map(|mistake| size_of_val(mistake) + mistake.about.len()).sum::<usize>()
}

impl Found {
    /// The number of the entry.
    pub(super) fn id(&self) -> u64 {
        self.place.id
    }

    /// The entry, read from its bytes.
    pub(super) fn entry(&self) -> Entry {
        // A copy: who looks at an entry for long need not keep its whole page.
        let copy = Bytes::copy_from_slice;
        let read = Read::of(self.place.within(&self.page));
        let [.., content, request, request_body, answer, answer_body] = read.parts;
        let (text, rare) = (|part| read.text(part).to_owned(), self.rare.as_deref());
        let body = |short, long: Option<&Kept>, end| match long {
            Some(kept) => kept.clone(),
            None => Kept::part(copy(short), read.is(end)),
        };
        let [long_request, long_answer] =
            rare.map_or([None, None], |rare| [rare.request_body.as_ref(), rare.answer_body.as_ref()]);
        Entry {
            id: self.place.id,
            at: read.at,
            elapsed: read.elapsed,
            vendor: text(0),
            operation: text(1),
            code: text(2),
            status: read.status,
            credential: read.is(flag::CREDENTIAL).then(|| text(3)),
            content: Texts::read(content),
            fault: rare.and_then(|rare| rare.fault.clone()),
            explanation: rare.and_then(|rare| rare.explanation.clone()),
            request: Head(request.to_vec()),
            request_body: body(request_body, long_request, flag::REQUEST_COMPLETE),
            answer: Head(answer.to_vec()),
            answer_body: body(answer_body, long_answer, flag::ANSWER_COMPLETE),
        }
    }
}

#[cfg(test)]
impl Ring {
    /// Bytes of all entries, counted.
    pub(super) fn counted(&self) -> usize {
        let places: usize = self.places.iter().map(|place| bytes(place.length as usize, None)).sum();
        places + self.rare.iter().map(|(_, rare)| rare.bytes()).sum::<usize>()
    }

    /// Memory of all pages.
    pub(super) fn memory(&self) -> usize {
        self.full.iter().map(|page| page.capacity()).sum::<usize>() + self.open.bytes.capacity()
    }
}
