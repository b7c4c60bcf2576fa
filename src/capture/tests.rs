use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn body(capture: &Capture) -> Vec<u8> {
    capture.segments().flatten().copied().collect()
}

proptest! {
    #[test]
    fn what_is_kept_is_the_body_up_to_the_cap(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9000), 0..30),
        cap in 0usize..200_000,
        prefix in prop::collection::vec(any::<u8>(), 0..300),
        tell_length in any::<bool>(),
    ) {
        let whole: Vec<u8> = frames.concat();
        let vault = Vault::new(1 << 30);
        let mut capture = Capture::default();
        let expected = tell_length.then_some(whole.len() as u64);
        capture.begin(&vault, cap, expected, |segment| segment.extend(&prefix));
        for frame in &frames {
            capture.extend(&vault, &Bytes::from(frame.clone()));
        }
        prop_assert_eq!(capture.prefix(), &prefix[..]);
        prop_assert_eq!(body(&capture), &whole[..whole.len().min(cap)]);
        prop_assert_eq!(capture.seen(), whole.len() as u64);
        prop_assert_eq!(capture.truncated() == Truncated::Cap, whole.len() > cap);
        capture.give_back(&vault);
        prop_assert_eq!(vault.used(), 0);
    }
}

#[test]
fn over_the_budget_payload_is_shed_before_metadata() {
    let vault = Vault::new(8 << 10);
    let mut first = Capture::default();
    first.begin(&vault, usize::MAX, None, |segment| {
        segment.extend(b"prefix");
    });
    first.extend(&vault, &Bytes::from(vec![7; 10_000]));
    assert_eq!(first.truncated(), Truncated::Budget);
    assert_eq!(first.seen(), 10_000);
    assert_eq!(first.shed, 10_006 - (4 << 10));

    let mut second = Capture::default();
    assert!(second.begin(&vault, 9, None, |segment| segment.extend([1; 1300])));
    second.extend(&vault, &Bytes::from_static(b"payload"));
    assert_eq!(second.prefix().len(), 1300);
    assert_eq!((second.seen(), second.shed), (7, 7));
    assert_eq!(second.truncated(), Truncated::Budget);

    let mut third = Capture::default();
    assert!(!third.begin(&vault, 9, None, |_| ()));
    first.give_back(&vault);
    second.give_back(&vault);
    assert_eq!(vault.used(), 0);
}

#[test]
fn what_the_budget_refused_stays_empty_when_there_is_room_again() {
    let vault = Vault::new(16 << 10);
    vault.charge(15 << 10);
    let mut refused = Capture::default();
    assert!(!refused.begin(&vault, 100, None, |segment| segment.push(1)));
    vault.release(15 << 10);
    refused.extend(&vault, &Bytes::from_static(b"late"));
    assert_eq!(refused.truncated(), Truncated::Budget);
    assert_eq!((refused.seen(), body(&refused).len()), (4, 0));
    assert_eq!(vault.used(), 0);
}

#[test]
fn a_buffer_in_pieces_is_copied_whole() {
    let vault = Vault::new(1 << 20);
    let mut capture = Capture::default();
    capture.begin(&vault, 1000, None, |_| ());
    let pieces = Bytes::from_static(b"one ").chain(Bytes::from_static(b"two"));
    capture.extend(&vault, &pieces);
    assert_eq!(body(&capture), b"one two");
    assert_eq!(capture.truncated(), Truncated::No);
}
