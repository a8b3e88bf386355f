//! qrstack
