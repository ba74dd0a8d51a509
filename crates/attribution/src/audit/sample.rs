//! Whom to leave out, where not everybody can be: drawn by a seed that is public and fixed after the values were.

use sha2::{Digest, Sha256};

/// Goes before the seed, so that nothing else that is hashed gives the same order.
pub const PREFIX: &[u8] = b"assay.audit.sample/1\n";

/// The places of at most `take` names, ascending, that the seed draws: those whose SHA-256 of [`PREFIX`], seed and name
/// (UTF-8) is smallest. Whoever has seed and names draws the same, whatever their order; a name that is added moves at
/// most one other out.
pub fn sample<N: AsRef<str>>(names: &[N], seed: &[u8; 32], take: usize) -> Vec<usize> {
    let ticket = |name: &str| -> [u8; 32] {
        Sha256::new().chain_update(PREFIX).chain_update(seed).chain_update(name.as_bytes()).finalize().into()
    };
    let mut drawn: Vec<([u8; 32], &str, usize)> =
        names.iter().enumerate().map(|(at, name)| (ticket(name.as_ref()), name.as_ref(), at)).collect();
    drawn.sort_unstable();
    let mut places: Vec<usize> = drawn.into_iter().take(take).map(|(_, _, at)| at).collect();
    places.sort_unstable();
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(of: &[String], places: &[usize]) -> Vec<String> {
        let mut out: Vec<String> = places.iter().map(|&at| of[at].clone()).collect();
        out.sort();
        out
    }

    /// By `printf 'assay.audit.sample/1\n' + 32 zero bytes + name | sha256sum`.
    #[test]
    fn the_draw_is_as_documented() {
        let all = ["ada", "bob", "cyd", "dee", "eve"];
        assert_eq!(sample(&all, &[0; 32], 2), REDRAWN);
        assert_eq!(sample(&all, &[0; 32], 9), [0, 1, 2, 3, 4]);
        assert!(sample::<&str>(&[], &[0; 32], 3).is_empty());
    }

    const REDRAWN: [usize; 2] = [0, 4];

    proptest! {
        #[test]
        fn order_changes_nothing_and_a_newcomer_moves_one_at_most(
            names_of in proptest::collection::btree_set("[a-z]{1,6}", 2..30),
            seed in any::<[u8; 32]>(),
            take in 1..12_usize,
            turn in any::<u64>(),
        ) {
            let ascending: Vec<String> = names_of.into_iter().collect();
            let mut turned = ascending.clone();
            let by = turn as usize % turned.len();
            turned.rotate_left(by);
            turned.reverse();
            let drawn = names(&ascending, &sample(&ascending, &seed, take));
            prop_assert_eq!(&drawn, &names(&turned, &sample(&turned, &seed, take)));
            let fewer = &ascending[..ascending.len() - 1];
            let before = names(fewer, &sample(fewer, &seed, take));
            let moved = before.iter().filter(|name| !drawn.contains(name)).count();
            prop_assert!(moved <= 1);
        }

        #[test]
        fn everybody_is_drawn_as_often(take in 1..5_usize) {
            let all: Vec<String> = (0..10).map(|k| format!("name-{k}")).collect();
            let mut counts = [0_usize; 10];
            for k in 0..2_000_u64 {
                let mut seed = [0; 32];
                seed[..8].copy_from_slice(&k.to_le_bytes());
                sample(&all, &seed, take).iter().for_each(|&at| counts[at] += 1);
            }
            let expected = 200.0 * take as f64;
            prop_assert!(counts.iter().all(|&c| (c as f64 - expected).abs() < 5.0 * expected.sqrt()), "{counts:?}");
        }
    }
}
