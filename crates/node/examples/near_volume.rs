//! Near duplicates among millions of texts, one at a time, on one thread:
//! `cargo run --release -p assay-node --example near_volume -- FILE [TEXTS] [WORDS] [FOLDER] [MIB]`.
//!
//! The index is in memory, or in so many MiB of it (256) and in files on the disk of FOLDER.
//!
//! Texts are made up as they are needed, none is kept: runs of words (2.5 on average) from all over the texts of FILE (JSON lines
//! with `text`, such as `bench/dedup/corpus.py` writes), as long as these texts are, or of up to WORDS words. A run is short so that two texts
//! have as much in common by chance as texts of people have. Two texts of seven are copies of earlier ones or look it,
//! one in 21 each: exact, in another form (`norm`), with 5%, 15% and 30% of the words edited as by `corpus.py`, and `half`,
//! which begins as another text does and goes on in its own way.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};

use assay_quality::{NearIndex, Sketch, normalise};
use rustix::time::{ClockId, clock_gettime};

/// The files of a node.
#[path = "../src/gate/scratch.rs"]
mod scratch;

const KINDS: [&str; 6] = ["exact", "norm", "e05", "e15", "e30", "half"];
const HALF: usize = 5;
/// Of so many texts one is of each kind.
const ONE_IN: u64 = 21;
/// Texts that are made, and judged, at a time.
const BATCH: u64 = 4096;

/// MiB of memory of an index with a folder, as a node's.
const MEMORY: u64 = 256;

type Failure = Box<dyn std::error::Error>;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn of(seed: u64, id: u64) -> Self {
        let mut random = Random(seed << 56 ^ id);
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ x >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    fn is(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// The words of all texts one after another, and how many each has.
struct Language {
    text: String,
    words: Vec<(u32, u8)>,
    lengths: Vec<u32>,
    longest: u32,
}

impl Language {
    fn read(path: &str, longest: u32) -> Result<Self, Failure> {
        let mut language = Language { text: String::new(), words: Vec::new(), lengths: Vec::new(), longest };
        for line in BufReader::new(File::open(path)?).lines() {
            let row: serde_json::Value = serde_json::from_str(&line?)?;
            let text = row["text"].as_str().ok_or("a line without a text")?;
            let before = language.words.len();
            for word in text.split_whitespace().filter(|word| word.len() < 256) {
                language.words.push((language.text.len() as u32, word.len() as u8));
                language.text.push_str(word);
            }
            language.lengths.push((language.words.len() - before) as u32);
        }
        Ok(language)
    }

    fn word(&self, at: usize) -> &str {
        let (start, length) = self.words[at];
        &self.text[start as usize..][..usize::from(length)]
    }

    fn any(&self, random: &mut Random) -> &str {
        self.word(random.below(self.words.len() as u64) as usize)
    }

    /// The words of the original of that number.
    fn original(&self, id: u64) -> Vec<&str> {
        let mut random = Random::of(1, id);
        let length = self.lengths[random.below(self.lengths.len() as u64) as usize].max(1);
        let length = if length <= self.longest {
            length
        } else {
            3 + random.below(u64::from(self.longest) - 2) as u32
        };
        let mut words = Vec::with_capacity(length as usize);
        let mut at = 0;
        while words.len() < length as usize {
            at = if words.is_empty() || !random.is(60) {
                random.below(self.words.len() as u64) as usize
            } else {
                (at + 1) % self.words.len()
            };
            words.push(self.word(at));
        }
        words
    }

    /// The text of that number.
    fn text(&self, id: u64) -> String {
        let Some((kind, source)) = copy_of(id) else { return self.original(id).join(" ") };
        let words = self.original(source);
        let mut random = Random::of(3, id);
        match KINDS[kind] {
            "exact" => words.join(" "),
            "norm" => match random.below(3) {
                0 => words.join(" ").to_uppercase(),
                1 => words.join(if random.is(50) { "\n" } else { "  " }),
                _ => words.join(" ").replace([',', ';', '!', '?'], " "),
            },
            "half" => {
                let other = self.original(id);
                [&words[..words.len() / 2], &other[other.len() / 2..]].concat().join(" ")
            }
            edited => {
                let percent = edited[1..].parse().unwrap_or(0);
                let mut copy: Vec<&str> = Vec::with_capacity(words.len());
                for word in words {
                    match random.is(percent).then(|| random.below(4)) {
                        None => copy.push(word),
                        Some(0) => {}
                        Some(1) => copy.extend([word, self.any(&mut random)]),
                        Some(_) => copy.push(self.any(&mut random)),
                    }
                }
                copy.join(" ")
            }
        }
    }
}

/// Which kind of copy a text is, and of which original.
fn copy_of(id: u64) -> Option<(usize, u64)> {
    let kind = Random::of(2, id).below(ONE_IN) as usize;
    if kind >= KINDS.len() || id < BATCH {
        return None;
    }
    let mut random = Random::of(4, id);
    loop {
        let source = random.below(id);
        if source < BATCH || Random::of(2, source).below(ONE_IN) as usize >= KINDS.len() {
            return Some((kind, source));
        }
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    /// Planted and removed, by kind.
    kinds: [(u64, u64); KINDS.len()],
    removed: u64,
}

impl Found {
    fn count(&mut self, id: u64, removed: bool) {
        self.removed += u64::from(removed);
        if let Some((kind, _)) = copy_of(id) {
            self.kinds[kind].0 += 1;
            self.kinds[kind].1 += u64::from(removed);
        }
    }

    fn show(&self) -> String {
        let (all, right) =
            self.kinds[..HALF].iter().fold((0, 0), |sum, kind| (sum.0 + kind.0, sum.1 + kind.1));
        let share = |part: u64, all: u64| part as f64 / all.max(1) as f64;
        let kinds: Vec<String> = KINDS
            .iter()
            .zip(&self.kinds)
            .map(|(name, &(all, removed))| format!("{name} {:.3}", share(removed, all)))
            .collect();
        format!(
            "precision {:.4}  recall {:.4}  {}",
            share(right, self.removed),
            share(right, all),
            kinds.join("  ")
        )
    }
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Most memory of this process so far, in MB, where the system says so.
fn peak_mb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().split(' ').next()?.parse().ok());
    peak.unwrap_or(0.0) / 1024.0
}

fn main() -> Result<(), Failure> {
    let options: Vec<String> = std::env::args().skip(1).collect();
    let path = options.first().ok_or("near_volume FILE [TEXTS] [WORDS] [FOLDER]")?;
    let number = |at: usize, usual: u64| options.get(at).map_or(Ok(usual), |text| text.parse());
    let (all, longest) = (number(1, 1_000_000)?, number(2, 1_000)?);
    let language = Language::read(path, longest as u32)?;
    let made_of = peak_mb();
    println!("{} words in {made_of:.0} MB to make texts of", language.words.len());
    let mut index = match options.get(3) {
        Some(folder) => {
            NearIndex::bounded((number(4, MEMORY)? as usize) << 20, scratch::files_in(folder.into()))
        }
        None => NearIndex::new(),
    };
    let (mut found, mut bytes) = (Found::default(), 0);
    let (mut cpu, mut since, mut shown) = (0.0, (0, 0.0), 10_000);
    for start in (0..all).step_by(BATCH as usize) {
        let ids = start..all.min(start + BATCH);
        let texts: Vec<String> = ids.clone().map(|id| language.text(id)).collect();
        bytes += texts.iter().map(String::len).sum::<usize>();
        let before = cpu_seconds();
        for (id, text) in ids.clone().zip(&texts) {
            let sketch = Sketch::new(normalise(text));
            let same = index.nearest(&sketch, |_, likeness| likeness.is_same_text().then_some(()));
            found.count(id, same.is_some());
            if same.is_none() {
                index.insert(&sketch);
            }
        }
        cpu += cpu_seconds() - before;
        index.failure().map_or(Ok(()), |failure| Err(failure.clone()))?;
        if ids.end >= shown || ids.end == all {
            let micros = 1e6 * (cpu - since.1) / (ids.end - since.0) as f64;
            println!(
                "{:>9} texts, {:.0} bytes each: {micros:.2} us, {:.0}/s; in all {:.0}/s, {:.0} MB, {:.0} bytes a text kept; {}",
                ids.end,
                bytes as f64 / ids.end as f64,
                1e6 / micros,
                ids.end as f64 / cpu,
                peak_mb() - made_of,
                (peak_mb() - made_of) * 1048576.0 / index.len() as f64,
                found.show()
            );
            since = (ids.end, cpu);
            shown = (shown as f64 * 2.16) as u64;
        }
    }
    Ok(())
}
