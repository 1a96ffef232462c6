//! Vectors of the standards, and of libsrtp's driver where these stop short of whole packets.

use crate::cipher::{Aes, Cipher};
use crate::derive::{Purpose, SessionKeys};
use crate::packet::Head;
use crate::{Master, RtcpOpener, RtcpSealer, RtpOpener, RtpSealer, Suite};
use zeroize::Zeroizing;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

#[test]
fn the_keystream_of_rfc_3711_b_2() {
    let aes = Aes::new(&hex("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap();
    let iv = u128::from_str_radix("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000", 16).unwrap();
    let mut stream = vec![0; 0xFF02 * 16];
    aes.xor_keystream(iv, &mut stream);
    for (block, expected) in [
        (0, "E03EAD0935C95E80E166B16DD92B4EB4"),
        (1, "D23513162B02D0F72A43A2FE4A5F97AB"),
        (2, "41E95B3BB0A2E8DD477901E4FCA894C0"),
        (0xFEFF, "EC8CDF7398607CB0F2D21675EA9EA1E4"),
        (0xFF00, "362B7C3C6773516318A077D7FC5073AE"),
        (0xFF01, "6A2CC3787889374FBEB4C81B17BA6C44"),
    ] {
        assert_eq!(stream[block * 16..][..16], hex(expected), "block {block:x}");
    }
}

#[test]
fn the_keys_of_rfc_3711_b_3() {
    let master = hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
    let master = Master::new(Suite::AesCm128Sha80, &master).unwrap();
    let keys = SessionKeys::derive(&master, Purpose::Rtp).unwrap();
    assert_eq!(keys.key(), hex("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(keys.salt.as_slice(), hex("30CBBC08863D8C85D49DB34A9AE1"));
    assert_eq!(keys.auth.as_slice(), hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
}

#[test]
fn whole_packets_of_counter_mode() {
    let master = hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
    let master = Master::new(Suite::AesCm128Sha80, &master).unwrap();
    let plain = hex("800f1234decafbadcafebabe abababababababababababababababab");
    let sealed =
        hex("800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb");
    let mut room = [plain.as_slice(), &[0; 20]].concat();
    let passed = RtpSealer::new(&master).unwrap().seal(&mut room, plain.len()).unwrap();
    assert_eq!(room[..passed.len], sealed);
    let passed = RtpOpener::new(&master).unwrap().open(&mut room[..sealed.len()]).unwrap();
    assert_eq!(room[..passed.len], plain);

    let plain = hex("81c8000bcafebabe abababababababababababababababab");
    let sealed =
        hex("81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798");
    let mut room = [plain.as_slice(), &[0; 20]].concat();
    let passed = RtcpSealer::new(&master).unwrap().seal(&mut room, plain.len()).unwrap();
    assert_eq!(room[..passed.len], sealed);
    let passed = RtcpOpener::new(&master).unwrap().open(&mut room[..sealed.len()]).unwrap();
    assert_eq!(room[..passed.len], plain);
}

/// The session keys of RFC 7714 sections 16 and 17.
fn gcm(suite: Suite) -> Cipher {
    let mut key = Zeroizing::new([0; 32]);
    key.iter_mut().zip(0u8..).for_each(|(to, from)| *to = from);
    let mut salt = Zeroizing::new([0; 14]);
    salt[..12].copy_from_slice(&hex("517569642070726f2071756f"));
    let auth = Zeroizing::new([0; 20]);
    Cipher::of(suite, &SessionKeys { key, key_len: suite.key_len(), auth, salt }, 16).unwrap()
}

#[test]
fn the_packets_of_rfc_7714() {
    let rtp = "8040f17b8041f8d35501a0b2 47616c6c696120657374206f6d6e69732064697669736120\
               696e207061727465732074726573";
    let rtcp = "81c8000d4d617273 4e5450314e545032525450200000042a0000e9304c756e61\
                deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
    for (suite, sealed_rtp, sealed_rtcp) in [
        (
            Suite::Gcm128,
            "8040f17b8041f8d35501a0b2 f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a\
             51c7d19b36de3adf8833 899d7f27beb16a9152cf765ee4390cce",
            "81c8000d4d617273 63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda\
             4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
        ),
        (
            Suite::Gcm256,
            "8040f17b8041f8d35501a0b2 32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a02\
             76ffae0f1ba63799b87b 7aa3db36dfffd6b0f9bb7878d7a76c13",
            "81c8000d4d617273 d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be\
             8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        ),
    ] {
        let (plain, sealed, mut cipher) = (hex(rtp), hex(sealed_rtp), gcm(suite));
        let head = Head::read(&plain, 0).unwrap();
        let mut room = [plain.as_slice(), &[0; 20]].concat();
        let len = cipher.seal_rtp((&mut room, plain.len()), head, head.sequence.into());
        assert_eq!(room[..len.unwrap()], sealed, "{suite:?}");
        let len = cipher.open_rtp(&mut room[..sealed.len()], head, head.sequence.into());
        assert_eq!(room[..len.unwrap()], plain, "{suite:?}");

        let (plain, sealed) = (hex(rtcp), hex(sealed_rtcp));
        let by = (0x4d61_7273, 0x5d4);
        let mut room = [plain.as_slice(), &[0; 20]].concat();
        let len = cipher.seal_rtcp((&mut room, plain.len()), by);
        assert_eq!(room[..len.unwrap()], sealed, "{suite:?}");
        assert_eq!(cipher.rtcp_index(&sealed), Ok(0x5d4));
        let len = cipher.open_rtcp(&mut room[..sealed.len()], by);
        assert_eq!(room[..len.unwrap()], plain, "{suite:?}");
    }
}
