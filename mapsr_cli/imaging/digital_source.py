"""IPTC's digital source type, as XMP: what says of a picture that it is not as a camera took it.

https://cv.iptc.org/newscodes/digitalsourcetype/; the property is `DigitalSourceType` of the IPTC Extension schema.
"""

import re
from dataclasses import replace

from mapsr_cli.imaging.jpeg import SEGMENT, xmp_segment
from mapsr_cli.imaging.tags import Tags, keeps

VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
ENHANCED, COMPOSITE = "algorithmicallyEnhanced", "compositeWithTrainedAlgorithmicMedia"
_MORE = ("compositeSynthetic", COMPOSITE, "trainedAlgorithmicMedia")
"""Types that say more than `algorithmicallyEnhanced`, each more than those before it."""
_SCHEMA = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_NEW = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    f'<rdf:RDF xmlns:rdf="{_RDF}"></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
).encode()


def labelled(tags: Tags, term: str, file_format: str) -> tuple[Tags, str | None]:
    """Add a digital source type to a picture's XMP, and return what it then says of itself.

    A type that says more is kept, such as that a generated picture is generated. None, and the tags as they are, where
    the format holds no XMP, where there is no room for it in a JPEG, or where the packet is damaged.
    """
    if not keeps(file_format, "xmp"):
        return tags, None
    before = digital_source(tags.xmp or b"")
    if before in _MORE and (term not in _MORE or _MORE.index(before) >= _MORE.index(term)):
        return tags, before
    packet = _with_source(tags.xmp or _NEW, term)
    if packet is None or (file_format == "JPEG" and len(xmp_segment(packet)[1]) > SEGMENT):
        return tags, None
    return replace(tags, xmp=packet), term


def digital_source(xmp: bytes) -> str | None:
    """Read the digital source type of an XMP packet; None where it states none of IPTC's."""
    found = (match[2] for pattern in _patterns(xmp) for match in re.finditer(pattern, xmp))
    uris = (re.sub(r"^https?:", "http:", uri.decode("utf-8", "replace").strip()) for uri in found)
    return next((uri.removeprefix(VOCABULARY) for uri in uris if uri.startswith(VOCABULARY)), None)


def _patterns(xmp: bytes) -> list[bytes]:
    """Return patterns of the property in its three forms: attribute, text of an element, resource of an element.

    Groups: what is before the value, the value, what is behind it.
    """
    prefixes = re.findall(rb"xmlns:([\w.-]+)\s*=\s*[\"']" + re.escape(_SCHEMA.encode()) + rb"[\"']", xmp)
    patterns = []
    for prefix in dict.fromkeys(prefixes):
        name = re.escape(prefix) + b":DigitalSourceType"
        patterns += [
            rb"(\s" + name + rb"\s*=\s*[\"'])([^\"'<]*)([\"'])",
            rb"(<" + name + rb"(?:\s[^>]*)?>)([^<]*)(</" + name + rb"\s*>)",
            rb"(<" + name + rb"\s[^>]*?rdf:resource\s*=\s*[\"'])([^\"'<]*)([\"'])",
        ]
    return patterns


def _with_source(xmp: bytes, term: str) -> bytes | None:
    """Replace the type in a packet, or add it; None where the packet has no place for it."""
    uri, replaced = f"{VOCABULARY}{term}".encode(), 0
    for pattern in _patterns(xmp):
        xmp, count = re.subn(pattern, rb"\g<1>" + uri + rb"\g<3>", xmp)
        replaced += count
    if replaced:
        return xmp
    opened = re.search(rb"<rdf:RDF\b[^>]*[^/>]>", xmp)
    if opened is None or b"</rdf:RDF" not in xmp:
        return None
    # All descriptions of a packet are about the same thing, under the same name.
    about = re.search(rb"\srdf:about\s*=\s*(\"[^\"<]*\"|'[^'<]*')", xmp)
    description = b'<rdf:Description rdf:about=%s xmlns:Iptc4xmpExt="%s" Iptc4xmpExt:DigitalSourceType="%s"/>' % (
        about[1] if about else b'""',
        _SCHEMA.encode(),
        uri,
    )
    return xmp[: opened.end()] + description + xmp[opened.end() :]
