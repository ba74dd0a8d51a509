#!/usr/bin/env python3
"""How the cost of a valuation grows with the records: a table on stdout and a plot in docs/scaling.svg.

    python3 bench/value/scaling.py [--rows 1000,10000,100000] [--threads 1]

Made-up records of 384 correlated features and 10 classes, a tenth of the labels random; 16 nodes, 8 folds of a benchmark of
2,000. The same seed makes the same records.
"""

import argparse
import json
import math
import os
import pathlib
import subprocess

BENCH = pathlib.Path(__file__).resolve().parents[1]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", BENCH / "target"))
PLOT = BENCH.parent / "docs" / "scaling.svg"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 360, 70, 20, 30, 50


def measure(rows, threads):
    build = ["cargo", "build", "--release", "--quiet", "--manifest-path", BENCH / "Cargo.toml"]
    subprocess.run(build, check=True)
    command = [TARGET / "release" / "assay-bench", "scaling", "--threads", str(threads), "--rows"]
    done = (subprocess.run([*command, str(n)], check=True, capture_output=True) for n in rows)
    return [json.loads(run.stdout) for run in done]


def plot(points):
    """CPU seconds against records, both on logarithmic axes; a line of slope 1 through the first point beside them."""
    xs = [math.log10(p["rows"]) for p in points]
    ys = [math.log10(p["cpu_s"]) for p in points]
    line = [ys[0] + x - xs[0] for x in xs]
    low, high = math.floor(min(ys)), math.ceil(max(ys + line))

    def at(x, y):
        across = (x - xs[0]) / max(xs[-1] - xs[0], 1e-9)
        return (LEFT + across * (WIDTH - LEFT - RIGHT), TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM))

    def path(values):
        return " ".join(f"{'M' if k == 0 else 'L'}{x:.1f} {y:.1f}" for k, (x, y) in enumerate(map(at, xs, values)))

    def text(x, y, words, anchor="middle"):
        return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'

    p = points[0]
    title = f"CPU seconds to value records ({p['features']} features, {p['classes']} classes, {p['nodes']} nodes, {p['folds']} folds)"
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12"'
        f' role="img" aria-label="{title}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        text(WIDTH / 2, 18, title),
    ]
    for power in range(low, high + 1):
        y = at(xs[0], power)[1]
        out.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>' + text(LEFT - 8, y + 4, f"{10.0**power:g}", "end"))
    for x, p in zip(xs, points):
        out.append(text(min(at(x, low)[0], WIDTH - RIGHT - 16), HEIGHT - BOTTOM + 18, f"{p['rows']:,}"))
    out.append(text(WIDTH / 2, HEIGHT - 10, "records"))
    out.append(f'<path d="{path(line)}" fill="none" stroke="#999" stroke-dasharray="5 4"/>')
    out.append(f'<path d="{path(ys)}" fill="none" stroke="#0a5" stroke-width="2"/>')
    for x, y, p in zip(xs, ys, points):
        (cx, cy), side = at(x, y), -1 if x == xs[-1] else 1
        out.append(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="4" fill="#0a5"/>')
        label = f"{p['cpu_s']:.3g} s, {p['peak_mib']:.0f} MiB"
        out.append(text(cx + 8 * side, cy + (16 if side > 0 else -8), label, "start" if side > 0 else "end"))
    return "\n".join([*out, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="1000,10000,100000")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    points = measure([int(n) for n in args.rows.split(",")], args.threads)
    print("| records | CPU s | wall s | peak MiB | closure |\n|---|---|---|---|---|")
    for p in points:
        print(f"| {p['rows']:,} | {p['cpu_s']:.2f} | {p['wall_s']:.2f} | {p['peak_mib']:.0f} | {p['closure']:.1e} |")
    PLOT.write_text(plot(points))


if __name__ == "__main__":
    main()
