"""A community of contributors of numbers: the UCI digits dealt out by the behaviours of make_community.py.

Copies and leaks are not made: bench/evidence removes them before anything is trained, bench/pay makes its own. Off topic is an image with its pixels
out of place, filler an image of faint noise; both have guessed labels.
"""

import csv
import gzip
import io
import json
import random


def read(path):
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    pixels = [name for name in rows[0] if name != "label"]
    return [([int(float(row[p])) for p in pixels], int(float(row["label"]))) for row in rows]


def write(path, header, rows):
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(header)
    out.writerows(rows)
    path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))


def build(source, folder, seed, config, maker):
    """Writes contributions, valid, test, right.txt and truth.json. `maker` is the module make_community, `config` its settings."""
    rng = random.Random(seed)
    train, test = read(source / "train.csv.gz"), read(source / "test.csv.gz")
    rng.shuffle(train)
    held = int(len(train) * 2 * config["valid_share"])
    valid, pool = train[:held], train[held:]
    size, sent, names, behaviours = len(pool), [], iter(rng.sample(range(1000), 200)), {}

    def take(count, wanted=range(10)):
        mine = [image for image in pool if image[1] in wanted][:count]
        for image in mine:
            pool.remove(image)
        return mine

    def send(images, spoil, behaviour):
        name = f"u{next(names):03}"
        behaviours[name] = behaviour
        sent.extend((name, *spoil(image)) for image in images)

    def wrong(label):
        return rng.choice([k for k in range(10) if k != label])

    honest = lambda image: (*image, True)
    filler = lambda _: ([rng.randrange(4) for _ in range(64)], rng.randrange(10), False)
    scramble = rng.sample(range(64), 64)
    off_topic = lambda image: ([image[0][k] for k in scramble], rng.randrange(10), False)
    sizes = lambda part: maker.even(rng, part["n"], size * part["share"])

    c = config["honest_niche"]
    for k in range(c["n"]):
        send(take(round(size * c["share"] / c["n"]), rng.sample(range(10), 1)), honest, "honest_niche")
    for n in maker.zipf(config["honest"]["n"], size * config["honest"]["share"], config["honest"]["zipf"]):
        send(take(n), honest, "honest")
    for n in sizes(config["mixed"]):
        mixed = lambda image: filler(image) if rng.random() < config["mixed"]["spoiled"] else honest(image)
        send(take(n), mixed, "mixed")
    for n in sizes(config["label_noise"]):
        noisy = lambda i: (i[0], wrong(i[1]), False) if rng.random() < config["label_noise"]["rate"] else honest(i)
        send(take(n), noisy, "label_noise")
    for n in sizes(config["flip"]):
        shift = rng.randrange(1, 10)
        send(take(n), lambda image: (image[0], (image[1] + shift) % 10, False), "flip")
    c = config["sybil"]
    for k in range(c["actors"]):
        images = take(round(size * c["share"] / c["actors"]))
        for j in range(c["identities"]):
            send(images[j :: c["identities"]], honest, "sybil")
    for kind, spoil in (("filler", filler), ("off_topic", off_topic)):
        c = config[kind]
        for n in maker.even(rng, c["n"], size * c["size"]):
            send(rng.sample(test, n), spoil, kind)

    rng.shuffle(sent)
    header = [f"p{k:02}" for k in range(64)] + ["label"]
    lines = [[f"r{k:05}", name, *image, label] for k, (name, image, label, _) in enumerate(sent)]
    write(folder / "contributions.csv.gz", ["id", "contributor", *header], lines)
    for name, rows in (("valid", valid), ("test", test)):
        write(folder / f"{name}.csv.gz", header, [[*image, label] for image, label in rows])
    (folder / "right.txt").write_text("".join(f"r{k:05}\n" for k, row in enumerate(sent) if row[3]))
    wrong_kind = {"mixed": "filler", "filler": "filler", "off_topic": "off_topic"}
    kind = lambda row: "clean" if row[3] else wrong_kind.get(behaviours[row[0]], "wrong_label")
    truth = {
        "contributors": {name: {"behaviour": behaviour} for name, behaviour in behaviours.items()},
        "records": [[f"r{k:05}", kind(row)] for k, row in enumerate(sent)],
    }
    (folder / "truth.json").write_text(json.dumps(truth))
