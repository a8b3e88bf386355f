//! Tests of the workshop as a whole.

mod corpus;
