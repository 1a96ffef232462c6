//! The call table: what was written is read, by a reader and by the next life of its owner; and
//! words that the owner never wrote make nobody panic.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use strowger_link::table::{
    BODY_BYTES_MAX, Reader, Setup, SlotHead, SlotState, Table, WriteError, words_needed,
};
use strowger_link::{AskId, RecordId, SlotRef, Tick};

use super::{Choices, Target};
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target { name: "table", run, seeds, words: &[] };

const SETUP: Setup = Setup { seg: 3, node: 1, boot_id: 2, token_key: 3, slots: 4, chunks: 12 };
const STEPS_MAX: usize = 64;

/// What a slot should hold.
type Model = BTreeMap<u16, (SlotRef, SlotState, Vec<u8>)>;

/// Each step of an input is an operation and what it needs.
fn run(input: &[u8]) -> Shape {
    let mut shape = Shape::new();
    let mut choices = Choices(input);
    let words: Vec<AtomicU64> = (0..words_needed(SETUP.slots, SETUP.chunks).unwrap_or(0))
        .map(|_| AtomicU64::new(0))
        .collect();
    let created = Table::create(&words[..], &SETUP, 1);
    assert!(created.is_ok());
    let Ok(mut table) = created else { return shape };
    let (mut model, mut whole) = (Model::new(), true);
    for step in 0..STEPS_MAX {
        if choices.0.is_empty() {
            break;
        }
        match choices.u8() % 8 {
            0 | 1 => open(&mut table, &mut model, &mut choices, &mut shape),
            2 | 3 => write(&mut table, &mut model, &mut choices, &mut shape),
            4 => close(&mut table, &mut model, &mut choices),
            5 => match Table::adopt(&words[..], step as u32) {
                Ok(adopted) => table = adopted,
                Err(error) => {
                    shape.kind("adopt", &error);
                    assert!(!whole, "a whole table was refused: {error:?}");
                }
            },
            // Words that the owner did not write, from now on.
            6 => {
                let word = words.get(usize::from(choices.u16()) % words.len());
                word.inspect(|word| {
                    word.store(u64::from_le_bytes(choices.array()), Ordering::Relaxed)
                });
                whole = false;
            }
            _ => look(&table, &words, whole.then_some(&model), &mut shape),
        }
        if !whole {
            model.clear();
        }
    }
    look(&table, &words, whole.then_some(&model), &mut shape);
    shape
}

fn body(choices: &mut Choices<'_>) -> Vec<u8> {
    let len = usize::from(choices.u16()) % (BODY_BYTES_MAX + 2);
    let some = choices.bytes(16);
    (0..len).map(|at| some.get(at % 16).copied().unwrap_or(0) ^ (at / 16) as u8).collect()
}

fn open(
    table: &mut Table<&[AtomicU64]>,
    model: &mut Model,
    c: &mut Choices<'_>,
    shape: &mut Shape,
) {
    let body = body(c);
    let opened = table.open(RecordId(1), AskId(2), &body, Tick(3));
    shape.print("open", &opened.map(drop)).count("body", body.len());
    if let Ok(at) = opened {
        model.insert(at.idx, (at, SlotState::Asked, body));
    }
}

fn write(
    table: &mut Table<&[AtomicU64]>,
    model: &mut Model,
    c: &mut Choices<'_>,
    shape: &mut Shape,
) {
    let idx = u16::from(c.u8() % 5);
    let states = [SlotState::Ringing, SlotState::Answered, SlotState::Ended];
    let (state, body) = (states[usize::from(c.u8() % 3)], body(c));
    let Some(at) = table.occupant(idx) else { return };
    let stale = SlotRef { r#gen: at.r#gen.wrapping_add(1), ..at };
    assert_eq!(table.write(stale, state, AskId(9), &body), Err(WriteError::Stale));
    let written = table.write(at, state, AskId(9), &body);
    shape.print("write", &written);
    if let (Ok(()), Some(slot)) = (written, model.get_mut(&idx)) {
        *slot = (at, state, body);
    }
}

fn close(table: &mut Table<&[AtomicU64]>, model: &mut Model, choices: &mut Choices<'_>) {
    let idx = u16::from(choices.u8() % 5);
    let Some(at) = table.occupant(idx) else { return };
    let _ = table.close(at);
    model.remove(&idx);
}

fn look(
    table: &Table<&[AtomicU64]>,
    words: &[AtomicU64],
    model: Option<&Model>,
    shape: &mut Shape,
) {
    let reader = Reader::attach(words);
    shape.note("attach", &reader.as_ref().err().map(std::mem::discriminant));
    let mut text = Vec::new();
    for idx in 0..=4 {
        let own = table.read(idx, &mut text);
        shape.print("read", &own.as_ref().map(|head| head.map(|head| head.state)));
        check(model, idx, own.ok(), &text);
        if let Ok(reader) = &reader {
            check(model, idx, reader.read(idx, &mut text).ok(), &text);
        }
    }
    assert!(model.is_none() || reader.is_ok());
}

fn check(model: Option<&Model>, idx: u16, head: Option<Option<SlotHead>>, text: &[u8]) {
    let Some(model) = model.filter(|_| u32::from(idx) < SETUP.slots) else { return };
    let found = head.map(|head| head.map(|head| (head.slot, head.state, text.to_vec())));
    assert_eq!(found, Some(model.get(&idx).cloned()));
}

fn seeds(dice: &mut Dice) -> Vec<Vec<u8>> {
    (0..8).map(|_| (0..400).map(|_| dice.byte()).collect()).collect()
}
