"""A community of contributors of numbers, whose behaviour is known: the UCI digits, dealt out by a seed.

    digits_community.py DIGITS OUT [--seed 7]

DIGITS holds train.csv.gz and test.csv.gz (64 pixels and label). OUT gets contributions.csv.gz, valid.csv.gz,
test.csv.gz and truth.json, which must not be read by what is tested. Standard library only.
"""

import argparse
import csv
import gzip
import io
import json
import pathlib
import random

FOLD = 300
OWNERS = {  # behaviour: records of each who sends own images
    "honest": [220, 160, 110, 70, 45, 25],
    "sybil": [20, 20, 20, 20, 20],
    "label_noise": [120],
    "flip": [60],
    "random": [60],
}
TAKERS = {"filler": 60, "copier": 80, "near_copier": 80, "leaker": 60}


def read(path):
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    pixels = [name for name in rows[0] if name != "label"]
    return [([int(float(row[p])) for p in pixels], int(float(row["label"]))) for row in rows]


def write(path, rows, header):
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(header)
    out.writerows(rows)
    path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))


def spoiled(rng, behaviour, label):
    if behaviour == "flip":
        return (label + 3) % 10
    if behaviour == "random" or (behaviour == "label_noise" and rng.random() < 0.4):
        return rng.randrange(10)
    return label


def taken(rng, behaviour, pixels, label):
    if behaviour == "filler":
        level = rng.randrange(4)
        return [level + rng.randrange(3) for _ in pixels], rng.randrange(10)
    if behaviour == "near_copier":
        pixels = pixels.copy()
        for _ in range(4):
            at = rng.randrange(len(pixels))
            pixels[at] += -1 if pixels[at] >= 8 else 1
    return pixels, label


def build(images, rng):
    rng.shuffle(images)
    valid, test, pool = images[:FOLD], images[FOLD : 2 * FOLD], images[2 * FOLD :]
    people = []
    for behaviour, sizes in OWNERS.items():
        for size in sizes:
            own, pool = pool[:size], pool[size:]
            records = [(pixels, spoiled(rng, behaviour, label)) for pixels, label in own]
            people.append((behaviour, records))
    sent = [record for _, records in people for record in records]
    for behaviour, size in TAKERS.items():
        source = test if behaviour == "leaker" else sent
        people.append((behaviour, [taken(rng, behaviour, *record) for record in rng.sample(source, size)]))
    names = [f"u{k + 1:02}" for k in rng.sample(range(len(people)), len(people))]
    # Owners come first and in a random order, takers after: a copy is later than its original.
    owned = [(name, record) for name, (b, records) in zip(names, people) for record in records if b in OWNERS]
    rng.shuffle(owned)
    late = [(name, record) for name, (b, records) in zip(names, people) for record in records if b in TAKERS]
    rng.shuffle(late)
    truth = {name: {"behaviour": b, "records": len(records)} for name, (b, records) in zip(names, people)}
    return owned + late, valid, test, truth


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("digits", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    images = [image for name in ("train", "test") for image in read(args.digits / f"{name}.csv.gz")]
    records, valid, test, truth = build(images, random.Random(args.seed))
    args.out.mkdir(parents=True, exist_ok=True)
    pixels = [f"p{k:02}" for k in range(64)]
    lines = [[f"r{k + 1:05}", name, *numbers, label] for k, (name, (numbers, label)) in enumerate(records)]
    write(args.out / "contributions.csv.gz", lines, ["id", "contributor", *pixels, "label"])
    for name, rows in (("valid", valid), ("test", test)):
        write(args.out / f"{name}.csv.gz", [[*numbers, label] for numbers, label in rows], [*pixels, "label"])
    (args.out / "truth.json").write_text(json.dumps({"contributors": truth}, indent=1))


if __name__ == "__main__":
    main()
