//! Pictures that are broken, oversized or made to harm.
