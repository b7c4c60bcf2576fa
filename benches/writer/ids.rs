//! Ids as the recorder makes them.

use rand::Rng;
use tower_recording::{Id, store::UnixMillis};

/// The bits of an exchange's id below the number of a row.
const CHANCE_BITS: u32 = 40;

/// A UUID of version 7 with the time first, then chance.
pub fn exchange_id(random: &mut impl Rng, at: UnixMillis) -> Id {
    let high = ((at as u64) << 16) | 0x7000 | u64::from(random.random::<u16>() >> 4);
    let low = (1 << 63) | (random.random::<u64>() >> (64 - CHANCE_BITS));
    let bits = (u128::from(high) << 64) | u128::from(low);
    Id::from_bytes(bits.to_be_bytes())
}

/// The id of the exchange's row with this number, from 1.
pub fn row_id(exchange: Id, number: usize) -> Id {
    let bits = u128::from_be_bytes(*exchange.as_bytes()) | ((number as u128) << CHANCE_BITS);
    Id::from_bytes(bits.to_be_bytes())
}
