"""Files that deploy an artifact: to Kubernetes, with KServe or without, and with Docker."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path

from zoo.artifacts import artifact, card, checksums
from zoo.errors import InputError
from zoo.files import atomic_file
from zoo.serving import deployment_templates

# The version is that of TensorFlow: a SavedModel can be read by the version that wrote it and by later ones,
# tensorflow.org/guide/versions. Tags: hub.docker.com/r/tensorflow/serving/tags.
VERSION = "2.21.0"
IMAGE = f"tensorflow/serving:{VERSION}"
# What tensorflow_serving/tools/docker/Dockerfile of github.com/tensorflow/serving exposes.
GRPC, REST = 8500, 8501
USER = 65534  # nobody; the image sets no user, and ports over 1024 need no rights
KSERVE_USER = 1000  # of kserve-tensorflow-serving, config/runtimes/kserve-tensorflow-serving.yaml in github.com/kserve
CPUS = 2
LOADING = 5 * 60  # seconds that a server may take to load the model and to replay the warm-up requests


def kubernetes(path: str | Path, name: str | None = None, image: str = IMAGE, claim: str = "models") -> str:
    """Manifests of an artifact: an InferenceService of KServe, and a Deployment with a Service.

    Args:
        path: as `zoo.load` takes it.
        name: of the objects and of the served model; by default that of the artifact, as Kubernetes allows it.
        image: of TensorFlow Serving.
        claim: the PersistentVolumeClaim with the artifact's folder.

    Returns:
        YAML with several documents.

    Raises:
        InputError: there is no artifact, its files were changed, or its folder's name is no version.
    """
    folder = _version(path)
    name = service_name(name or folder.parent.name)
    weights = sum(file.stat().st_size for file in (folder / "variables").iterdir())
    # An estimate: TensorFlow, twice the weights, and twice that while a new version is loaded beside the old one.
    request = 256 * math.ceil(2 + 4 * weights / 2**28)
    return deployment_templates.KUBERNETES.format(
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
    """Files that build an image with one version of an artifact, and run it.

    Args:
        path: as `zoo.load` takes it.
        out: folder of the files; paths in them are relative to it.
        image: of TensorFlow Serving.

    Returns:
        file name -> text: ``Dockerfile``, ``Dockerfile.dockerignore`` and ``compose.yaml``.

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
        "test": json.dumps(["CMD", "bash", "-c", deployment_templates.TEST.format(name=name, rest=REST)]),
        "loading": LOADING,
    }
    texts = {
        "Dockerfile": deployment_templates.DOCKERFILE,
        "Dockerfile.dockerignore": deployment_templates.IGNORED,
        "compose.yaml": deployment_templates.COMPOSE,
    }
    return {file: text.format(**values) for file, text in texts.items()}


def write(artifact_path: str | Path, out: str | Path, kubernetes: bool = False, docker: bool = False) -> list[Path]:
    """Write the files of `kubernetes` and `docker` to the folder `out`, all or none of them.

    Returns:
        the paths of the files, also of those that existed with the same text.

    Raises:
        InputError: a file exists with another text, `out` is inside the artifact, or as `kubernetes`.
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
    """`name` in the form that Kubernetes requires of a Service: letters a-z, digits and ``-``, a letter first.

    Source: kubernetes.io/docs/concepts/overview/working-with-objects/names, "RFC 1035 Label Names"; KServe needs some
        of the 63 characters for suffixes.
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
    """`text` as a string of YAML, which includes the strings of JSON."""
    return json.dumps(text)
