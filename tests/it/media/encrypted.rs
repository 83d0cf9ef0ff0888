//! Encrypted attachments.

use aes::cipher::{KeyIvInit as _, StreamCipher as _};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

use super::*;

const KEY: [u8; 32] = [7; 32];
const IV: [u8; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];

/// As a client encrypts: what is uploaded, and what it says of it.
fn encrypt(content: &[u8], mxc: &str) -> (Vec<u8>, Value) {
    let mut uploaded = content.to_vec();
    ctr::Ctr64BE::<aes::Aes256>::new(&KEY.into(), &IV.into()).apply_keystream(&mut uploaded);
    let file = json!({
        "url": mxc, "v": "v2",
        "key": {"kty": "oct", "alg": "A256CTR", "ext": true, "key_ops": ["encrypt", "decrypt"],
                "k": URL_SAFE_NO_PAD.encode(KEY)},
        "iv": STANDARD_NO_PAD.encode(IV),
        "hashes": {"sha256": STANDARD_NO_PAD.encode(Sha256::digest(&uploaded))},
    });
    (uploaded, file)
}

fn attachment(event_id: &str, file: &Value) -> Value {
    let info = json!({"mimetype": "image/png"});
    message(
        event_id,
        &json!({"msgtype": "m.image", "body": "a.png", "file": file, "info": info}),
    )
}

fn uploaded(content: Vec<u8>) -> Answer {
    Answer::File("application/octet-stream", content)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_encrypted_is_kept_as_it_was_before() {
    for house in House::of_each_kind().await {
        let mut large = PNG.to_vec();
        large.extend(bytes(6 * MIB, 5));
        for (id, content) in [("small", PNG.to_vec()), ("large", large)] {
            let (encrypted, file) = encrypt(&content, &mxc(id));
            let mxc = house.homeserver.has(id, [uploaded(encrypted)]);
            house.push(&[attachment(id, &file)]).await;
            let running = house.start();
            assert!(house.content(&mxc).await == content, "{id}");
            assert_eq!(house.column(&mxc, "mime_type").await.unwrap(), "image/png");
            drop(running);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_an_edit_is_decrypted_by_what_the_edit_says() {
    let house = House::new().await;
    let (first, of_first) = encrypt(b"the first", &mxc("first"));
    let (second, of_second) = encrypt(PNG, &mxc("second"));
    house.homeserver.has("first", [uploaded(first)]);
    house.homeserver.has("second", [uploaded(second)]);
    let mut edit = attachment("$2", &of_first);
    edit["content"]["m.new_content"] = attachment("", &of_second)["content"].clone();
    edit["content"]["m.relates_to"] = json!({"rel_type": "m.replace", "event_id": "$1"});
    house.push(&[attachment("$1", &of_first), edit]).await;
    let _running = house.start();
    assert_eq!(house.content(&mxc("first")).await, b"the first");
    assert_eq!(house.content(&mxc("second")).await, PNG);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_what_was_sent_is_not_kept() {
    let (encrypted, right) = encrypt(PNG, &mxc("file"));
    let mut other_hash = right.clone();
    other_hash["hashes"]["sha256"] = json!(STANDARD_NO_PAD.encode([0; 32]));
    let mut no_key = right.clone();
    no_key["key"]["k"] = json!("short");
    let mut changed = encrypted.clone();
    changed[3] ^= 1;
    for (file, content) in [
        (&right, changed),
        (&other_hash, encrypted.clone()),
        (&no_key, encrypted),
    ] {
        let house = House::new().await;
        let mxc = house.homeserver.has("file", [uploaded(content)]);
        house.push(&[attachment("$1", file)]).await;
        let _running = house.start();
        assert_eq!(house.settled(&mxc).await, "failed");
        let error = house.column(&mxc, "error").await.unwrap();
        assert!(error.starts_with("the attachment's"), "{error}");
        assert!(house.files().is_empty());
    }
}
