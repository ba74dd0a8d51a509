//! The file for what can be made again, against bytes in memory.

use assay_store::ScratchFile;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<u8>),
    Read(u64, u64),
    Erase(u64, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        prop::collection::vec(1_u8.., 0..40).prop_map(Step::Append),
        (0_u64..300, 0_u64..60).prop_map(|(at, bytes)| Step::Read(at, bytes)),
        (0_u64..300, 0_u64..60).prop_map(|(at, bytes)| Step::Erase(at, bytes)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn agrees_with_bytes_in_memory(steps in prop::collection::vec(step(), 0..40), memory in 0_usize..200) {
        let folder = tempfile::tempdir().unwrap();
        let mut file = ScratchFile::new(folder.path(), memory).unwrap();
        let mut plain: Vec<u8> = Vec::new();
        for step in steps {
            match step {
                Step::Append(bytes) => {
                    file.append(&bytes).unwrap();
                    plain.extend_from_slice(&bytes);
                }
                Step::Read(at, bytes) => {
                    let mut into = vec![0; bytes as usize];
                    let expected = plain.get(at as usize..(at + bytes) as usize);
                    let read = file.read(at, &mut into);
                    prop_assert_eq!(read.ok().map(|()| &into[..]), expected);
                }
                Step::Erase(at, bytes) => {
                    let part = plain.get_mut(at as usize..(at + bytes) as usize);
                    prop_assert_eq!(file.erase(at, bytes).is_ok(), part.is_some());
                    part.into_iter().for_each(|part| part.fill(0));
                }
            }
            prop_assert_eq!(file.len(), plain.len() as u64);
            prop_assert_eq!(file.is_empty(), plain.is_empty());
        }
        let mut whole = vec![0; plain.len()];
        file.read(0, &mut whole).unwrap();
        prop_assert_eq!(whole, plain);
    }
}

#[test]
fn nothing_has_a_name_and_a_folder_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = ScratchFile::new(folder.path(), 0).unwrap();
    file.append(b"a text").unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let missing = folder.path().join("missing");
    let refused = ScratchFile::new(&missing, 0).err().unwrap().to_string();
    assert!(refused.contains(&*missing.to_string_lossy()), "{refused}");
}
