"""Commands of other formats: parse, call, print."""

from __future__ import annotations

import click

from zoo.commands import completing
from zoo.commands.options import ARTIFACT, IMPORT, JSON
from zoo.terminal import say, say_json


@click.command(short_help="Write a model for LiteRT, ONNX or OpenVINO, proven equal.")
@ARTIFACT
@click.option(
    "--format",
    "formats",
    multiple=True,
    shell_complete=completing.FORMATS,
    help="Format to write: saved_model, litert, litert-int8, onnx or openvino; give several with commas between. "
    "zoo formats says what each is for.",
)
@click.option(
    "--calibrate",
    type=click.Path(),
    help="Examples on which int8 finds the range of every value. Give it where those of the training are gone.",
)
@click.option(
    "--validate",
    type=click.Path(),
    help="Labelled examples on which the format is compared with the model. Give it to use others than those held out "
    "in training.",
)
@click.option(
    "--again", is_flag=True, help="Write formats that are there once more. Give it after an update of their packages."
)
@click.option(
    "--kubernetes",
    is_flag=True,
    help="Write kubernetes.yaml, with a KServe InferenceService and a Deployment. Give it to run the model in a "
    "cluster.",
)
@click.option(
    "--docker",
    is_flag=True,
    help="Write a Dockerfile and compose.yaml for TensorFlow Serving. Give it to run the model in a container.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    help="Folder for the files of --kubernetes and --docker.  [default: NAME-deploy]",
)
@JSON
@IMPORT
def export(
    artifact: str,
    formats: tuple[str, ...],
    calibrate: str | None,
    validate: str | None,
    again: bool,
    kubernetes: bool,
    docker: bool,
    out: str | None,
    as_json: bool,
) -> None:
    """Write ARTIFACT for other runtimes, into its folder formats/, or what puts it on TensorFlow Serving or KServe.

    \b
    zoo export photos --format litert,litert-int8,onnx,openvino
    zoo export photos --kubernetes --docker --out deploy

    Each format is run by its own runtime in a clean process and held to the model; one that answers otherwise is not
    published.
    """
    from pathlib import Path

    from zoo.artifacts import artifact as artifacts
    from zoo.commands import format_tables
    from zoo.formats import exporting
    from zoo.serving import deployment

    if not formats and not kubernetes and not docker:
        raise click.UsageError("expected --format, --kubernetes or --docker")
    if kubernetes or docker:
        place = Path(out or f"{artifacts.find(artifact).resolve().parent.name}-deploy")
        written = deployment.write(artifact, place, kubernetes=kubernetes, docker=docker)
        say("\n".join(map(str, written)), error=as_json)
    if not formats:
        return
    exported = exporting.export(artifact, ",".join(formats), calibrate=calibrate, validate=validate, again=again)
    if as_json:
        say_json(format_tables.rows(exported))
    else:
        format_tables.show_exported(exported)


@click.command(short_help="List the formats of a model, or what goes into which.")
@click.argument("artifact", required=False, shell_complete=completing.ARTIFACTS)
@JSON
def formats(artifact: str | None, as_json: bool) -> None:
    """List what models can be exported to; of ARTIFACT what is there."""
    from zoo.commands import format_tables
    from zoo.formats import exporting, registry

    if artifact is not None:
        exported = exporting.listed(artifact)
        if as_json:
            say_json(format_tables.rows(exported))
        else:
            format_tables.show_exported(exported)
        return
    if as_json:
        say_json({name: described._asdict() for name, described in registry.FORMATS.items()})
        return
    format_tables.show_formats()
