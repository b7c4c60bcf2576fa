//! Who speaks, and in which conversation.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tower_recording_fuzz::identity(data));
