//! The keyed token in tags and branches: what was sealed opens, nothing else does.

use strowger_link::siphash::Key;
use strowger_link::token::{TOKEN_LEN, open, seal};
use strowger_link::{LEGS_MAX, LegId, SlotRef};

use super::{Choices, Target};
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target { name: "token", run, seeds, words: &[] };

const KEY: Key = Key(*b"a key of sixteen");

fn run(input: &[u8]) -> Shape {
    let mut shape = Shape::new();
    let opened = open(&KEY, input);
    shape.note("opened", &opened.is_some()).note("len", &input.len().min(TOKEN_LEN + 1));
    if let Some(leg) = opened {
        // One token a leg: an opened text is the sealed one, but for case and what follows it.
        let text = input.get(..TOKEN_LEN).map(<[u8]>::to_ascii_lowercase);
        let sealed = seal(&KEY, leg).map(|token| token.as_str().as_bytes().to_vec());
        assert_eq!(sealed, text);
    }
    sealed(&mut Choices(input));
    shape
}

fn sealed(choices: &mut Choices<'_>) {
    let slot = SlotRef { seg: choices.u8(), idx: choices.u16(), r#gen: choices.u16() };
    let leg = LegId { slot, leg: choices.u8() };
    let token = seal(&KEY, leg);
    assert_eq!(token.is_some(), leg.leg < LEGS_MAX);
    let Some(token) = token else { return };
    let text = token.as_str().as_bytes();
    assert_eq!(open(&KEY, text), Some(leg));
    assert_eq!(open(&Key(*b"the key of other"), text), None);
    let mut forged = text.to_vec();
    let at = usize::from(choices.u8()) % TOKEN_LEN;
    forged[at] = if forged[at] == b'a' { b'b' } else { b'a' };
    assert_eq!(open(&KEY, &forged), None);
}

fn seeds(dice: &mut Dice) -> Vec<Vec<u8>> {
    let tokens = (0..8).filter_map(|leg| {
        let slot = SlotRef { seg: dice.byte(), idx: leg, r#gen: 1 };
        seal(&KEY, LegId { slot, leg: dice.byte() % LEGS_MAX })
    });
    tokens.map(|token| format!("{}.17", token.as_str()).into_bytes()).collect()
}
