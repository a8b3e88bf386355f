//! What is drawn reads back.
