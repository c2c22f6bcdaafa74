"""Compares this version with another one, whose checkout is the argument: door and send, each against a bare aiohttp in
its own process, round by round in turns.

    git worktree add /tmp/before b3e2fd4 && .venv/bin/python bench/paired.py /tmp/before

Prints for each load the ratio of this version to the other, as the median and its 95 % interval over all rounds.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
ROUNDS, LOSS = 11, 0.97
LOADS = (1, 16, 64)
DOOR = """
import asyncio, door
door.REQUESTS = 800
async def main():
    site = await door.Process.start("site")
    url = f"http://127.0.0.1:{site.port}/"
    ours, bare = await door.Process.start("door", url), await door.Process.start("proxy", url)
    for at_once in LOADS:
        await door.rate(ours.port, at_once), await door.rate(bare.port, at_once)
        print(at_once, await door.rate(ours.port, at_once) / await door.rate(bare.port, at_once), flush=True)
    for process in (ours, bare, site):
        await process.end()
asyncio.run(main())
"""
SEND = """
import asyncio, contextlib, io, re, send
send.ROUNDS = 3
with contextlib.redirect_stdout(io.StringIO()) as said:
    asyncio.run(send.main())
for at_once, ratio in re.findall(r"send, +(\\d+) at a time.*ratio ([\\d.]+)", said.getvalue()):
    print(at_once, ratio)
"""


async def measure(checkout: Path, program: str) -> dict[int, float]:
    """The ratio of doorkey to bare aiohttp at each load, by the version in *checkout*."""
    places = [checkout / "bench", checkout / "runtime", checkout / "providers", checkout / "browser_profiles"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program.replace("LOADS", repr(LOADS)),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"the bench of {checkout} failed")
    return {int(at_once): float(ratio) for at_once, ratio in map(str.split, said.decode().splitlines())}


def interval(ratios: list[float]) -> tuple[float, float]:
    """The 95 % interval of the median, by resampling."""
    chance = random.Random(1)
    medians = sorted(statistics.median(chance.choices(ratios, k=len(ratios))) for _ in range(4000))
    return medians[100], medians[-100]


async def main(other: Path) -> int:
    good = True
    for what, program in (("door", DOOR), ("send", SEND)):
        ratios: dict[int, list[float]] = {at_once: [] for at_once in LOADS}
        for at in range(ROUNDS):
            first, second = (HERE, other) if at % 2 else (other, HERE)
            found = {first: await measure(first, program), second: await measure(second, program)}
            for at_once in LOADS:
                ratios[at_once].append(found[HERE][at_once] / found[other][at_once])
        for at_once in LOADS:
            low, high = interval(ratios[at_once])
            good &= high >= LOSS
            print(
                f"{what}, {at_once:>2} at a time: {statistics.median(ratios[at_once]):.3f} of the other version, "
                f"interval {low:.3f} to {high:.3f} (a loss if all of it is below {LOSS})",
                flush=True,
            )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]).resolve())) if len(sys.argv) > 1 else print(__doc__))
