"""Manifests and Docker files, read by the parsers and schemas of those who will read them."""

from __future__ import annotations

import json
import os
import re
import socketserver
import subprocess
import threading
from pathlib import Path

import pytest

from zoo.errors import InputError
from zoo.serving import deployment

yaml = pytest.importorskip("yaml")

# Of serving.kserve.io/v1beta1 what is used here: predictor.go and model.go in pkg/apis/serving/v1beta1 of
# github.com/kserve/kserve. `model` takes all of a container's fields, so those are checked as a container's.
STRING = {"type": "string", "minLength": 1}
NAMED = {"type": "object", "properties": {"name": STRING}, "required": ["name"]}
KSERVE = {
    "type": "object",
    "properties": {
        "apiVersion": {"const": "serving.kserve.io/v1beta1"},
        "kind": {"const": "InferenceService"},
        "metadata": NAMED,
        "spec": {
            "type": "object",
            "properties": {
                "predictor": {
                    "type": "object",
                    "properties": {
                        "model": {
                            "type": "object",
                            "properties": {
                                "modelFormat": {
                                    "type": "object",
                                    "properties": {"name": STRING, "version": STRING},
                                    "required": ["name"],
                                    "additionalProperties": False,
                                },
                                "runtimeVersion": STRING,
                                "storageUri": STRING | {"pattern": "^pvc://[a-z0-9-]+/[^/]+$"},
                                "resources": {"type": "object"},
                                "securityContext": {"type": "object"},
                            },
                            "required": ["modelFormat", "storageUri"],
                            "additionalProperties": False,
                        }
                    },
                    "required": ["model"],
                    "additionalProperties": False,
                }
            },
            "required": ["predictor"],
            "additionalProperties": False,
        },
    },
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
}
# Of a service of the Compose Specification, schema/compose-spec.json in github.com/compose-spec/compose-spec.
LIST = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
SERVICE = {
    "type": "object",
    "properties": {
        "build": {
            "type": "object",
            "properties": {"context": STRING, "dockerfile": STRING},
            "additionalProperties": False,
        },
        "image": STRING,
        "ports": LIST,
        "read_only": {"type": "boolean"},
        "tmpfs": LIST,
        "cap_drop": LIST,
        "security_opt": LIST,
        "healthcheck": {
            "type": "object",
            "properties": {
                "test": {"type": "array", "items": STRING},
                "interval": STRING | {"format": "duration", "pattern": "^[0-9]+s$"},
                "timeout": STRING,
                "start_period": STRING,
            },
            "additionalProperties": False,
        },
        "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
    },
    "additionalProperties": False,
}


def test_the_api_server_would_take_the_manifests(classifier: Path) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    jsonschema = pytest.importorskip("jsonschema")
    documents = list(yaml.safe_load_all(deployment.kubernetes(classifier)))
    assert [each["kind"] for each in documents] == ["InferenceService", "Deployment", "Service"]
    jsonschema.validate(documents[0], KSERVE)
    for document in documents[1:]:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    model = dict(documents[0]["spec"]["predictor"]["model"])
    container = {key: model[key] for key in ("resources", "securityContext")}
    pod = {"containers": [container | {"name": "kserve-container", "image": "image"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": pod}
    kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):  # the schema is one
        kubernetes_validate.validate(pod | {"spec": {"containers": [{"name": 1}]}}, "1.31", strict=True)


def test_the_parts_of_the_manifests_fit_together(classifier: Path) -> None:
    kserve, deployed, service = yaml.safe_load_all(deployment.kubernetes(classifier))
    assert {each["metadata"]["name"] for each in (kserve, deployed, service)} == {"small-digits"}
    pod = deployed["spec"]["template"]
    labels = pod["metadata"]["labels"].items()
    assert (
        deployed["spec"]["selector"]["matchLabels"].items() <= labels and service["spec"]["selector"].items() <= labels
    )
    (container,) = pod["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 8500, "rest": 8501}
    assert {port["targetPort"]: port["port"] for port in service["spec"]["ports"]} == ports
    # The image starts its server with --model_base_path=/models/$MODEL_NAME.
    (name,) = (each["value"] for each in container["env"] if each["name"] == "MODEL_NAME")
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert mounts["models"]["mountPath"] == f"/models/{name}" and mounts["models"]["readOnly"]
    assert set(mounts) == {volume["name"] for volume in pod["spec"]["volumes"]}
    for probe in ("startupProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": f"/v1/models/{name}", "port": "rest"}
    assert container["livenessProbe"]["tcpSocket"]["port"] == "grpc"
    assert kserve["spec"]["predictor"]["model"]["storageUri"] == f"pvc://models/{mounts['models']['subPath']}"
    assert container["image"].endswith(":" + kserve["spec"]["predictor"]["model"]["runtimeVersion"])
    assert pod["spec"]["securityContext"]["runAsNonRoot"] and container["securityContext"]["readOnlyRootFilesystem"]
    for limits in (container["resources"], kserve["spec"]["predictor"]["model"]["resources"]):
        assert set(limits["requests"]) == set(limits["limits"]) == {"cpu", "memory"}
        assert int(limits["requests"]["memory"][:-2]) < int(limits["limits"]["memory"][:-2])
    other = list(yaml.safe_load_all(deployment.kubernetes(classifier, "eins", "registry:5000/serving", "disk")))
    assert other[0]["spec"]["predictor"]["model"]["storageUri"] == "pvc://disk/eins"
    assert other[0]["spec"]["predictor"]["model"]["runtimeVersion"] == deployment.VERSION


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("photos", "photos"),
        ("Blue Sky_2.photos", "blue-sky-2-photos"),
        ("2024", "model-2024"),
        ("映画", "model"),
        ("x" * 39 + "--y", "x" * 39),
    ],
)
def test_names_are_such_as_kubernetes_allows(name: str, expected: str) -> None:
    found = deployment.service_name(name)
    assert found == expected and re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", found)


def test_docker_reads_its_files(classifier: Path, tmp_path: Path) -> None:
    dockerfile_parse = pytest.importorskip("dockerfile_parse")
    jsonschema = pytest.importorskip("jsonschema")
    files = deployment.write(classifier, tmp_path / "out", docker=True)
    assert [file.name for file in files] == ["Dockerfile", "Dockerfile.dockerignore", "compose.yaml"]
    parsed = dockerfile_parse.DockerfileParser(str(tmp_path / "out"))
    assert parsed.baseimage == deployment.IMAGE and parsed.envs == {"MODEL_NAME": "small-digits"}
    steps = {step["instruction"]: step["value"] for step in parsed.structure if step["instruction"] != "COMMENT"}
    assert list(steps) == ["FROM", "COPY", "ENV", "USER", "EXPOSE"]
    assert steps["COPY"].split()[1:] == ["1", "/models/small-digits/1"] and steps["USER"] == "65534:65534"

    composed = yaml.safe_load(files[-1].read_text())
    (name,) = composed["services"]
    assert list(composed) == ["services"] and re.fullmatch("[a-zA-Z0-9._-]+", name)
    service = composed["services"][name]
    jsonschema.validate(service, SERVICE)
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    # Paths as Compose resolves them: the context from its file, the Dockerfile from the context.
    context = Path(os.path.normpath(tmp_path / "out" / service["build"]["context"]))
    assert context == classifier.parent.resolve() and (context / "1").is_dir()
    assert Path(os.path.normpath(context / service["build"]["dockerfile"])) == files[0].resolve()

    patterns = [line for line in files[1].read_text().splitlines() if not line.startswith("#")]
    assert patterns[0] == "*" and all(line.startswith("!") for line in patterns[1:])
    taken = {line[1:] for line in patterns[1:]}
    assert all((context / name).exists() for name in taken)
    assert not {"1/run", "1/model.keras", "1/card.json"} & taken


def test_the_health_check_reads_the_status(classifier: Path) -> None:
    """In bash, of a server that answers as TensorFlow Serving's documentation says: api_rest, "Model status API"."""
    states = {"AVAILABLE": 0, "LOADING": 1}
    asked = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked.append(self.rfile.readline().decode().strip())
            body = json.dumps({"model_version_status": [{"version": "1", "state": state}]})
            self.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    test = yaml.safe_load(deployment.docker(classifier)["compose.yaml"])["services"]["small-digits"]["healthcheck"][
        "test"
    ]
    assert test[0] == "CMD" and "$" not in "".join(test)  # Compose would put a variable there
    for state, code in states.items():  # noqa: B007, the handler reads it
        with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            script = test[-1].replace("/8501;", f"/{server.server_address[1]};")
            assert subprocess.run([*test[1:-1], script], timeout=30).returncode == code
            server.shutdown()
    assert asked == ["GET /v1/models/small-digits HTTP/1.0"] * 2
    assert subprocess.run([*test[1:-1], script], stderr=subprocess.DEVNULL).returncode != 0  # nobody listens


def test_nothing_is_overwritten(classifier: Path, tmp_path: Path) -> None:
    files = deployment.write(classifier, tmp_path, kubernetes=True, docker=True)
    assert [file.name for file in files][0] == "kubernetes.yaml" and len(files) == 4
    assert deployment.write(classifier, tmp_path, kubernetes=True, docker=True) == files  # the same again
    files[-1].write_text("mine")
    files[0].unlink()
    with pytest.raises(InputError, match="compose.yaml exists and differs"):
        deployment.write(classifier, tmp_path, kubernetes=True, docker=True)
    assert not files[0].exists() and files[-1].read_text() == "mine"
    with pytest.raises(InputError, match="inside"):
        deployment.write(classifier, classifier / "deploy", kubernetes=True)
    (tmp_path / "copy").symlink_to(classifier)
    assert deployment.kubernetes(tmp_path / "copy") == deployment.kubernetes(classifier)
    import shutil

    with pytest.raises(InputError, match="whose name is a version"):
        deployment.kubernetes(shutil.copytree(classifier, tmp_path / "latest"))
