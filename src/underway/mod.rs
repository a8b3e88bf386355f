//! What becomes known of the request that a task answers while it does: what it is about, what came of its body, what
//! shall happen to its answer. Whoever finds that out notes it here; who attends to the request takes the notes when it is
//! answered.
//!
//! Notes belong to the task, so that they need no way through the handlers. Outside of [`noting`] they are dropped.

mod kept;
mod texts;

use std::cell::RefCell;

use axum::body::Bytes;
use futures_util::FutureExt;

pub use kept::Kept;
pub use texts::Texts;

use crate::faults::{Damage, Latency, Plan};

tokio::task_local! {
    static NOTES: RefCell<Notes>;
}

/// What is known of a request beyond its bytes.
#[derive(Debug, Default)]
pub struct Notes {
    /// What it is about: texts to be drawn, scenes, addresses, numbers.
    pub content: Texts,
    /// Its body, as far as it was read; `None` where nobody wants to know.
    pub body: Option<Kept>,
    /// How late its answer shall be.
    pub latency: Option<Latency>,
    /// What shall happen to its answer.
    pub damage: Option<Damage>,
    /// The fault that struck, as it is written.
    pub fault: Option<String>,
}

/// Bytes of one text that are noted.
const MAX_TEXT: usize = 1024;

/// Runs `answer`, and gives what was noted meanwhile beside what is in `notes` already.
pub fn noting<F: Future>(notes: Notes, answer: F) -> impl Future<Output = (F::Output, Notes)> {
    NOTES.scope(RefCell::new(notes), answer.map(|output| (output, NOTES.with(RefCell::take))))
}

/// Notes what the request is about.
pub fn about(texts: &[&str]) {
    note(|notes| {
        let texts = texts.iter().filter(|text| !text.is_empty());
        notes.content = texts.map(|text| &text[..text.floor_char_boundary(MAX_TEXT)]).collect();
    });
}

/// Notes a piece of the body as it passes, and whether it is the last one.
pub fn arrived(piece: &Bytes, is_last: bool) {
    note(|notes| {
        if let Some(body) = &mut notes.body {
            body.push(piece.clone(), is_last);
        }
    });
}

/// Notes what shall happen to the answer beside its code. What was noted before holds where `plan` says nothing.
pub fn planned(plan: &Plan) {
    note(|notes| {
        if *plan != Plan::default() {
            notes.fault = Some(plan.to_string());
        }
        notes.latency = plan.latency.or(notes.latency);
        notes.damage = plan.damage.or(notes.damage);
    });
}

fn note(write: impl FnOnce(&mut Notes)) {
    // Nobody listens where a handler is called by a test.
    let _ = NOTES.try_with(|notes| write(&mut notes.borrow_mut()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn notes_belong_to_the_request_that_is_answered() {
        about(&["nobody listens"]);
        let request = |text: &'static str| {
            noting(Notes::default(), async move {
                about(&[text]);
                tokio::task::yield_now().await;
                planned(&"latency=1s".parse().expect("a plan"));
                planned(&"reset".parse().expect("a plan"));
                text.len()
            })
        };
        let ((length, notes), (_, other)) = tokio::join!(request("a"), request("bc"));
        assert_eq!((length, notes.content, notes.damage), (1, Texts::from_iter(["a"]), Some(Damage::Reset)));
        assert!(notes.latency.is_some());
        assert_eq!(other.content, Texts::from_iter(["bc"]));
    }

    #[tokio::test]
    async fn a_body_is_noted_where_somebody_wants_to_know() {
        let read = async || arrived(&Bytes::from_static(b"a"), true);
        let ((), notes) = noting(Notes { body: Some(Kept::default()), ..Notes::default() }, read()).await;
        let kept = notes.body.expect("it was wanted");
        assert_eq!((kept.joined().as_ref(), kept.is_complete()), (&b"a"[..], true));
        assert!(noting(Notes::default(), read()).await.1.body.is_none());
    }
}
