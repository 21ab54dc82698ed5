"""Commands of other formats: parse, call, print."""

from __future__ import annotations

import click

from zoo.commands import ARTIFACT, JSON


@click.command()
@ARTIFACT
@click.option(
    "--format",
    "formats",
    required=True,
    multiple=True,
    help="Of saved_model, litert, litert-int8, onnx, openvino; several with commas between.",
)
@click.option("--calibrate", type=click.Path(), help="Examples to calibrate int8 on, where those of the run are gone.")
@click.option("--validate", type=click.Path(), help="Labelled examples to compare on, other than those of the run.")
@click.option("--again", is_flag=True, help="Write formats anew that are there.")
@JSON
def export(
    artifact: str, formats: tuple[str, ...], calibrate: str | None, validate: str | None, again: bool, as_json: bool
) -> None:
    """Write ARTIFACT for other runtimes, into its folder formats/.

    Each file is run by its own runtime in a clean process and held to the model; one that answers otherwise is not
    published.
    """
    import json

    from zoo import format_rendering
    from zoo import formats as exporting

    made = exporting.export(artifact, ",".join(formats), calibrate=calibrate, validate=validate, again=again)
    if as_json:
        click.echo(json.dumps(format_rendering.rows(made), ensure_ascii=False))
    else:
        format_rendering.show_exported(made)


@click.command()
@click.argument("artifact", required=False)
@JSON
def formats(artifact: str | None, as_json: bool) -> None:
    """List what models can be exported to; of ARTIFACT what is there."""
    import json

    from zoo import format_rendering
    from zoo import formats as exporting

    if artifact is not None:
        there = exporting.listed(artifact)
        if as_json:
            click.echo(json.dumps(format_rendering.rows(there), ensure_ascii=False))
        else:
            format_rendering.show_exported(there)
        return
    if as_json:
        click.echo(json.dumps({name: described._asdict() for name, described in exporting.FORMATS.items()}))
        return
    format_rendering.show_formats()
