//! Who gets which frame.
