#!/usr/bin/env python3
"""How the cost of a valuation grows with the records: a table on stdout and a plot in docs/scaling.svg.

    python3 bench/value/scaling.py [--rows 1000,10000,100000] [--numpy 10000] [--threads 1]

Made-up records of 384 correlated features and 10 classes, a tenth of the labels random; 16 nodes, 8 folds of a benchmark of
2,000. The same seed makes the same records. Up to so many records, plain NumPy (reference.py) does the same beside it, on one
core, from the same matrices.
"""

import argparse
import json
import math
import subprocess

from run import BENCH, TARGET, engine, pinned, python

PLOT = BENCH.parent / "docs" / "scaling.svg"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 360, 70, 20, 30, 50


def measure(rows, most, threads):
    binary, interpreter, points = engine(), python(), []
    for n in rows:
        folder = TARGET / "bench-value" / f"scaling-{n}"
        command = [binary, "scaling", "--threads", threads, "--rows", n]
        (pinned if threads == 1 else run)([*command, "--out", folder])
        point = json.loads((folder / "result.json").read_text())
        if n <= most:
            pinned([interpreter, BENCH / "value" / "reference.py", folder, "plain"])
            point["numpy_s"] = json.loads((folder / "plain_result.json").read_text())["cpu_s"]
        points.append(point)
    return points


def run(command):
    subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL)


def plot(points):
    """CPU seconds against records, both on logarithmic axes; a line of slope 1 through the first point beside them."""
    xs = [math.log10(p["rows"]) for p in points]
    ys = [math.log10(p["cpu_s"]) for p in points]
    peers = [math.log10(p["numpy_s"]) for p in points if "numpy_s" in p]
    line = [ys[0] + x - xs[0] for x in xs]
    low, high = math.floor(min(ys)), math.ceil(max(ys + line + peers))

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
    if peers:
        (cx, cy) = at(xs[len(peers) - 1], peers[-1])
        out.append(f'<path d="{path(peers)}" fill="none" stroke="#a50" stroke-width="2"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#a50"/>' for x, y in map(at, xs, peers)]
        out.append(text(cx - 8, cy - 8, f"plain NumPy, {10**peers[-1]:.3g} s", "end"))
    out.append(f'<path d="{path(ys)}" fill="none" stroke="#0a5" stroke-width="2"/>')
    for x, y, p in zip(xs, ys, points):
        (cx, cy), side = at(x, y), -1 if x == xs[-1] else 1
        out.append(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="4" fill="#0a5"/>')
        label = f"{p['cpu_s']:.3g} s, {p['peak_mib']:.0f} MiB"
        out.append(text(cx + 8 * side, cy + 18, label, "start" if side > 0 else "end"))
    return "\n".join([*out, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="1000,10000,100000")
    parser.add_argument("--numpy", type=int, default=10_000, help="records that NumPy values at most")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    points = measure([int(n) for n in args.rows.split(",")], args.numpy, args.threads)
    print("| records | CPU s | wall s | peak MiB | closure | plain NumPy, CPU s |\n|---|---|---|---|---|---|")
    for p in points:
        numpy = f"{p['numpy_s']:.1f}" if "numpy_s" in p else ""
        print(f"| {p['rows']:,} | {p['cpu_s']:.2f} | {p['wall_s']:.2f} | {p['peak_mib']:.0f} | {p['closure']:.1e} | {numpy} |")
    PLOT.write_text(plot(points))


if __name__ == "__main__":
    main()
