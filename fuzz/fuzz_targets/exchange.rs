//! Every decoder, behind every content type and encoding.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tower_recording_fuzz::exchange(data));
