"""The folder of a sweep: what lies where, what is finished, what is damaged.

For every target there is a picture and its raw array in a tree to browse, `conv2/ch003/…`. What
a chunk's targets have beside them, their evolution, score curves and records, is one file,
`chunks/00012.npz`; it is written last, so where it is, its chunk is finished. An atlas of 10,000
targets is so 20,000 files in 2,000 folders (5 seeds a channel) and a few hundred chunk files.
"""

import json
import math
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from prober.common.drawn_inputs import drawn_one, slices_gif
from prober.common.errors import InputError
from prober.common.files import npy, patiently, read_arrays, write_whole
from prober.common.pictures import enlarge, png
from prober.sweep.optimize import ChunkResult
from prober.sweep.planned import PlannedTarget

PNG_END = b"IEND\xaeB`\x82"

WRITERS = 3
"""Threads that write pictures: most of the time goes into compressing them, during which Python
lets other threads run."""


class Store:
    """Reads and writes the folder of a sweep.

    Args:
        folder: The folder.
        chunks: The targets of the sweep, chunk by chunk.
    """

    def __init__(self, folder: Path, chunks: Sequence[Sequence[PlannedTarget]]) -> None:
        self.folder = folder
        self.chunks = chunks

    def claim(self, index: int) -> bool:
        """Takes a chunk for this process; False if it is finished or another process has it."""
        try:
            patiently(lambda: self._claim_file(index).touch(exist_ok=False))
        except FileExistsError:
            return False
        if self.chunk_file(index).exists():
            self.release(index)
            return False
        return True

    def release(self, index: int) -> None:
        """Gives a chunk out of hand, finished or not."""
        patiently(lambda: self._claim_file(index).unlink(missing_ok=True))

    def in_hand(self) -> bool:
        """Tells whether any process has a chunk in hand."""
        return any((self.folder / "chunks").glob("*.claim"))

    def clear_claims(self) -> None:
        """Frees the chunks that processes had in hand which are no more."""
        (self.folder / "chunks").mkdir(parents=True, exist_ok=True)
        for claim in (self.folder / "chunks").glob("*.claim"):
            patiently(partial(claim.unlink, missing_ok=True))

    def write(self, index: int, result: ChunkResult) -> None:
        """Writes a chunk's targets, then the chunk's own file, then its lines of the records.

        Raises:
            OSError: The disk is full or the folder cannot be written; the chunk stays unfinished.
        """
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(self._write_image, self.chunks[index], result.images))
        records = [
            {"stem": planned.path, "variant": planned.variant, **record}
            for planned, record in zip(self.chunks[index], result.records, strict=True)
        ]
        arrays = BytesIO()
        np.savez_compressed(
            arrays,
            evolution=result.evolution,
            steps=result.steps,
            scores=result.scores,
            score_steps=result.score_steps,
            records=np.array(json.dumps(records)),
            opacity=np.empty(0) if result.opacity is None else result.opacity,
        )
        write_whole(self.chunk_file(index), arrays.getvalue())
        # Unbuffered, so that it is one write, which no other process comes into. Where a system
        # does not keep to that, a line may be damaged until the records are written anew.
        with self.records_file.open("ab", buffering=0) as file:
            file.write(_lines(records).encode())

    def _write_image(self, planned: PlannedTarget, image: Tensor) -> None:
        picture, array = self.target_files(planned.path)
        write_whole(array, npy(image.numpy()))
        write_whole(picture, png(enlarge(drawn_one(image))))
        if (through := slices_gif(image)) is not None:
            write_whole(picture.with_suffix(".gif"), through)

    def read(self, index: int, *names: str) -> list[np.ndarray]:
        """Reads arrays of a finished chunk: `evolution`, `steps`, `scores`, `score_steps`.

        And `opacity`, which is empty of what are no images, and left out if an older version wrote
        the chunk.

        Raises:
            InputError: The chunk is damaged.
        """
        try:
            return read_arrays(self.chunk_file(index), names)
        except (OSError, ValueError) as error:
            raise self._damaged(index, error) from error

    def records(self, index: int) -> list[dict[str, Any]]:
        """Reads the records of a finished chunk; raises as `read` does."""
        found = self.read(index, "records")
        try:
            return json.loads(str(*found))
        except ValueError as error:
            raise self._damaged(index, error) from error

    def all_records(self) -> list[dict[str, Any]]:
        """Reads the records of all finished chunks, chunk by chunk."""
        return [record for index in self.finished() for record in self.records(index)]

    def finished(self) -> list[int]:
        """Returns the numbers of the chunks that are finished; files of other names are others'."""
        stems = [file.stem for file in (self.folder / "chunks").glob("*.npz")]
        known = len(self.chunks) or math.inf
        return sorted(int(stem) for stem in stems if stem.isdecimal() and int(stem) < known)

    def targets_done(self) -> int:
        """Counts the targets of the chunks that are finished."""
        return sum(len(self.chunks[index]) for index in self.finished())

    def repair(self) -> list[str]:
        """Looks through what is finished and forgets the chunks of which something is damaged.

        Returns:
            What was found, a sentence for each file.
        """
        found = []
        for index in self.finished():
            files = [self.chunk_file(index)]
            files += [file for each in self.chunks[index] for file in self.target_files(each.path)]
            wrong = [file for file in files if is_broken(file)]
            for file in wrong:
                state = "damaged" if file.exists() else "missing"
                found.append(f"{file.relative_to(self.folder).as_posix()} is {state}")
            if wrong:
                self.chunk_file(index).unlink()
        broken = 0
        if self.records_file.exists():
            lines = self.records_file.read_text(encoding="utf-8", errors="replace").splitlines()
            broken = sum(not _is_json(line) for line in lines)
        if broken:
            found.append(f"records.jsonl has {broken} damaged line{'s' * (broken > 1)}")
        return found

    def write_records(self) -> list[dict[str, Any]]:
        """Writes `records.jsonl` anew, chunk by chunk, and returns the records."""
        records = self.all_records()
        write_whole(self.records_file, _lines(records))
        return records

    def target_files(self, path: str) -> tuple[Path, Path]:
        """Returns the paths of the picture and the raw array of a target, see `PlannedTarget`."""
        stem = self.folder / path
        return stem.with_name(stem.name + ".png"), stem.with_name(stem.name + ".npy")

    @property
    def records_file(self) -> Path:
        """One line of JSON for each target."""
        return self.folder / "records.jsonl"

    def chunk_file(self, index: int) -> Path:
        """Evolution, score curves and records of a chunk."""
        return self.folder / "chunks" / f"{index:05d}.npz"

    def _damaged(self, index: int, error: Exception) -> InputError:
        return InputError(
            f"'{self.chunk_file(index)}' cannot be read ({error}). Run the sweep again with "
            f"--resume {self.folder}, which makes what is damaged anew."
        )

    def _claim_file(self, index: int) -> Path:
        return self.chunk_file(index).with_suffix(".claim")


def latest(steps: np.ndarray, step: int) -> int:
    """Returns the place of the last of a chunk's steps, ascending, that is no later than a step.

    Chunks have different steps: one ends when the last of its targets has settled.
    """
    return int(np.searchsorted(steps, step, side="right")) - 1


def is_broken(file: Path) -> bool:
    """Tells whether a file is missing or cut off; of a `.npz` file, whether all can be read."""
    try:
        if file.suffix == ".npz":
            with zipfile.ZipFile(file) as content:
                return content.testzip() is not None
        if file.suffix == ".png":
            return not file.read_bytes().endswith(PNG_END)
        np.load(file, mmap_mode="r")  # of which the header alone is read
    except Exception:  # what is damaged can raise almost anything
        return True
    return False


def _lines(records: Sequence[dict[str, Any]]) -> str:
    """What `records.jsonl` holds of records."""
    return "".join(json.dumps(record) + "\n" for record in records)


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
