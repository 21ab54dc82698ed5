"""Files that bring an artifact to where it is served: Kubernetes, with KServe or without, and Docker."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path

from zoo.artifacts import artifact, card, checksums
from zoo.errors import InputError
from zoo.files import atomic_file
from zoo.serving import deployments

# Its version is that of TensorFlow: a SavedModel may be read by the version that wrote it and by later ones,
# tensorflow.org/guide/versions. Tags: hub.docker.com/r/tensorflow/serving/tags.
VERSION = "2.21.0"
IMAGE = f"tensorflow/serving:{VERSION}"
# What tensorflow_serving/tools/docker/Dockerfile of github.com/tensorflow/serving exposes.
GRPC, REST = 8500, 8501
USER = 65534  # nobody; the image sets no user, and ports over 1024 need no rights
KSERVE_USER = 1000  # of kserve-tensorflow-serving, config/runtimes/kserve-tensorflow-serving.yaml in github.com/kserve
CPUS = 2
LOADING = 5 * 60  # seconds that a server may take to load the model, and replay the warm-up requests


def kubernetes(path: str | Path, name: str | None = None, image: str = IMAGE, claim: str = "models") -> str:
    """Manifests of an artifact: an InferenceService of KServe, and a Deployment with a Service.

    Args:
        path: as `zoo.load` takes it.
        name: of the objects and of the served model; that of the artifact, as Kubernetes allows it, where None.
        image: of TensorFlow Serving.
        claim: the PersistentVolumeClaim that has the artifact's folder.

    Returns:
        YAML, several documents.

    Raises:
        InputError: no artifact, not as it was published, or not in a folder whose name is its version.
    """
    folder = _version(path)
    name = service_name(name or folder.parent.name)
    weights = sum(file.stat().st_size for file in (folder / "variables").iterdir())
    # An estimate: TensorFlow, twice the weights, and twice that while a new version is loaded beside the old one.
    request = 256 * math.ceil(2 + 4 * weights / 2**28)
    return deployments.KUBERNETES.format(
        base=folder.parent.name.replace("\n", " "),
        version=folder.name,
        name=_quoted(name),
        plain=name,
        claim=_quoted(claim),
        uri=_quoted(f"pvc://{claim}/{name}"),
        image=_quoted(image),
        tag=_quoted(image.rpartition(":")[2] if ":" in image.rpartition("/")[2] else VERSION),
        request=_quoted(f"{request}Mi"),
        limit=_quoted(f"{2 * request}Mi"),
        cpus=CPUS,
        user=USER,
        kserve_user=KSERVE_USER,
        grpc=GRPC,
        rest=REST,
        attempts=LOADING // 5,
    )


def docker(path: str | Path, out: str | Path = ".", image: str = IMAGE) -> dict[str, str]:
    """An image that has one version of an artifact in it, and how to run it.

    Args:
        path: as `zoo.load` takes it.
        out: the folder that the files will be in; they find the artifact from there.
        image: of TensorFlow Serving.

    Returns:
        file name -> text: ``Dockerfile``, the list of what it takes, and ``compose.yaml``.

    Raises:
        InputError: as `kubernetes`.
    """
    folder = _version(path)
    name = service_name(folder.parent.name)
    base, place = folder.parent.resolve(), Path(out).resolve()
    values = {"name": name, "version": folder.name, "image": image, "user": USER, "grpc": GRPC, "rest": REST}
    values |= {
        "context": _quoted(Path(os.path.relpath(base, place)).as_posix()),
        "dockerfile": _quoted(Path(os.path.relpath(place / "Dockerfile", base)).as_posix()),  # seen from the context
        "tagged": _quoted(f"{name}:{folder.name}"),
        "test": json.dumps(["CMD", "bash", "-c", deployments.TEST.format(name=name, rest=REST)]),
        "loading": LOADING,
    }
    texts = {
        "Dockerfile": deployments.DOCKERFILE,
        "Dockerfile.dockerignore": deployments.IGNORED,
        "compose.yaml": deployments.COMPOSE,
    }
    return {file: text.format(**values) for file, text in texts.items()}


def write(artifact_path: str | Path, out: str | Path, kubernetes: bool = False, docker: bool = False) -> list[Path]:
    """Write the files of `kubernetes` and `docker` to the folder `out`, all or none of them.

    Returns:
        the files; those that were there with the same text included.

    Raises:
        InputError: a file is there and has other text, `out` is inside the artifact, or as `kubernetes`.
    """
    out, folder = Path(out), _version(artifact_path)
    if out.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{out} is inside {folder}, which is not changed any more; name another folder")
    texts = _texts(folder, out, kubernetes, docker)
    for name, text in texts.items():
        if (out / name).exists() and (out / name).read_bytes() != text.encode():
            raise InputError(
                f"{out / name} exists and differs from what would be written; move it, or name another --out"
            )
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        with atomic_file(out / name) as partial:
            partial.write_bytes(text.encode())
    return [out / name for name in texts]


def service_name(name: str) -> str:
    """`name` as Kubernetes allows it of a Service: letters a-z, digits and ``-``, beginning with a letter.

    Source: kubernetes.io/docs/concepts/overview/working-with-objects/names, "RFC 1035 Label Names"; of its 63
        characters KServe needs some for suffixes.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    plain = plain if plain[:1].isalpha() else f"model-{plain}"
    return plain[:40].strip("-")


def _texts(folder: Path, out: Path, with_kubernetes: bool, with_docker: bool) -> dict[str, str]:
    texts = {"kubernetes.yaml": kubernetes(folder)} if with_kubernetes else {}
    return texts | (docker(folder, out) if with_docker else {})


def _version(path: str | Path) -> Path:
    folder = artifact.find(path).resolve()
    if artifact.version_number(folder.name) is None:
        raise InputError(f"{folder}: expected a folder whose name is a version, as TensorFlow Serving wants it: NAME/1")
    card.read(folder, checksums.SERVED)
    return folder


def _quoted(text: str) -> str:
    """A string of YAML: those of JSON are."""
    return json.dumps(text)
