"""What a summary ends with: what is in doubt, what is open, and how it was made."""

from collections.abc import Sequence

from prober.findings.finding import Finding, Kind
from prober.report.markdown import plain
from prober.report.probed import NAMED_LAYERS, NAMED_UNITS, Probed, clearest, counts_as, flagged
from prober.report.words import counted, joined


def distrusted(probed: Probed) -> list[str]:
    """Names for each layer the units whose pictures are not to be trusted, and why."""
    checked = [finding for finding in probed.findings if finding.trusted is not None]
    if not checked:
        return ["No unit could be checked with real images."]
    said = []
    for layer, findings in probed.layers.items():
        if which := clearest(filter(flagged, findings)):
            number = f"{len(which)} of {len(findings)}"
            said.append(f"{plain(layer)}, {number}: {_with_reason(probed, which)}")
    return said or [f"None of {counted(len(checked), 'unit')} checked with real images."]


def without_pictures(probed: Probed) -> list[str]:
    """Says for each reason of which layers there are no pictures, for no gradient leads back."""
    layers: dict[str, list[str]] = {}
    for finding in probed.cut:
        layers.setdefault(finding.why[0], []).append(finding.layer)
    inputs = "flat and striped images" if probed.has_facets else "simple inputs"
    inputs += ", and to real ones" if probed.record.data else ""
    return [
        f"Of {joined(list(dict.fromkeys(own)), NAMED_LAYERS)}, {counted(len(own), 'unit')}, "
        f"{why[0].lower() + why[1:]} What is said of them is what they answer to {inputs}."
        for why, own in layers.items()
    ]


def unusable(probed: Probed) -> list[str]:
    """Says which files of real inputs could not be used, if any, and why."""
    skipped = probed.record.data.skipped if probed.record.data else ()
    if not skipped:
        return []
    which = joined([f"{plain(path)} ({plain(why)})" for path, why in skipped], NAMED_UNITS)
    return [f"{counted(len(skipped), 'file')} skipped as unusable: {which}."]


def unsettled(probed: Probed) -> list[str]:
    """Says what the pictures leave open."""
    said = list(map(plain, without_pictures(probed)))
    for layer, findings in probed.layers.items():
        if unclear := [each for each in findings if counts_as(each) == Kind.UNCLEAR]:
            names = _with_reason(probed, clearest(unclear))
            said.append(f"{plain(layer)}: {len(unclear)} of {len(findings)} are unclear: {names}")
        if dead := [finding for finding in findings if finding.dead]:
            names = f"{len(dead)} of {len(findings)}: {probed.links(dead)}"
            said.append(f"{plain(layer)}: nothing that was tried excites {names}.")
    if probed.searched:
        said.append(
            f"What a unit wants was looked for from {probed.starts_tried} each. A facet that none "
            "of them leads to is missed, so a unit that shows one facet may have more. Shapes that "
            "differ in no direction, as two digits do, count as one facet."
        )
    if probed.record.data is None:
        said.append("No real images were given, so no picture could be checked with them.")
    said += unusable(probed)
    if probed.against is None:
        said.append(
            "No second subject was probed, so nothing here says what training made of the CNN and "
            "what any CNN would show."
        )
    return said


def _with_reason(probed: Probed, findings: Sequence[Finding]) -> str:
    """Names a few units, and why the first is among them."""
    why = " ".join(findings[0].why)
    return f"{probed.links(findings)}." + (f" The first: {plain(why)}" if why else "")


def how_made(probed: Probed) -> list[str]:
    """Says what was probed, with what, and how long it took."""
    record, settings = probed.record, probed.record.settings
    lines = []
    for cnn in probed.cnns:
        subject = cnn.record.subject
        layers = joined([f"{plain(name)} ({len(units)})" for name, units in cnn.layers.items()])
        weights = f"SHA-256 of its weights {subject.sha256[:12]}…"
        lines.append(f"{plain(subject.name)}, {weights}; units probed: {layers}.")
        lines += map(plain, subject.notes)
    if settings is not None:
        starts = joined([plain(name) for name in settings.initial_images])
        penalties = joined([plain(name) for name in settings.regularizers])
        lines.append(
            f"{counted(settings.seeds, 'seed')}, {counted(settings.steps, 'step')}, precision "
            f"{plain(settings.precision)}; initial images: {starts or 'none'}; "
            f"regularizers: {penalties or 'none'}."
        )
    if record.data:
        real = "images" if probed.has_facets else "inputs"
        lines.append(f"Real {real}: {plain(record.data.numbered)}.")
    seconds = sum(record.seconds.values())
    lines.append(f"Made on {record.date} in {seconds:,.0f} seconds.")
    return lines
